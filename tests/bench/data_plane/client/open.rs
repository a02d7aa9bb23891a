//! A fixed rate, whatever the answers do: latency counts from when a request was due, so that a stall is seen by all requests that it held up.

use std::net::SocketAddr;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Tally;
use super::http1::{Connection, request};

/// When requests are due; connections take turns.
type Due = Rc<Mutex<UnboundedReceiver<Instant>>>;

/// Starts the clock and the connections.
pub(super) fn start(address: SocketAddr, rate: u32, connections: usize, tally: &'static Tally) -> Result<()> {
    let (times, due) = unbounded_channel();
    let due = Rc::new(Mutex::new(due));
    for _ in 0..connections {
        let due = due.clone();
        tokio::task::spawn_local(async move {
            while serve(address, &due, tally).await.is_err() {
                tally.failed();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
    }
    let period = Duration::from_secs(1) / rate;
    // A thread of its own, since timers of the event loop know only milliseconds.
    thread::Builder::new().spawn(move || tick(period, &times)).context("no thread")?;
    Ok(())
}

fn tick(period: Duration, times: &UnboundedSender<Instant>) {
    // Connections are up before the first request is due.
    let begin = Instant::now() + Duration::from_millis(100);
    for number in 0.. {
        let due = begin + period * number;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if times.send(due).is_err() {
            return;
        }
    }
}

async fn serve(address: SocketAddr, due: &Due, tally: &Tally) -> Result<()> {
    let request = request("/small", "");
    let mut connection = Connection::open(address).await?;
    loop {
        let next = due.lock().await.recv().await;
        let Some(start) = next else { return Ok(()) };
        connection.ask(&request).await?;
        tally.answered(start);
    }
}
