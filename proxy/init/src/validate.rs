//! Proves from inside a pod that outbound connections arrive at the proxy's port.
//!
//! It listens where the proxy will and dials an address that nobody has. Only a redirected connection comes back: with the
//! dialled address as its original destination, and with a fresh token in each direction. Inbound redirection cannot be proven
//! without a second machine: what a pod sends to itself leaves by the loopback interface, which is never redirected.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use nix::sys::socket::{getsockopt, sockopt};

/// How many characters a token has.
pub const TOKEN_LENGTH: usize = 63;

const POLL: Duration = Duration::from_millis(5);

/// What is to be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validation {
    /// Where the proxy will listen for outbound connections.
    pub listen: SocketAddr,
    /// Addresses that nobody has; one of each family that is to be proven.
    pub connect: Vec<SocketAddr>,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// Why nothing is proven.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValidateError {
    /// The port of the proxy is not free.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Nothing answers, as is to be expected of such an address without redirection.
    #[error("cannot reach {address}: {source}")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Somebody answers, but it is not us.
    #[error("the connection to {address} did not arrive here: {reason}")]
    Stranger {
        /// The address.
        address: SocketAddr,
        /// What was seen instead.
        reason: String,
    },
    /// Somebody connected, but it was not us.
    #[error("no connection with the original destination {address} arrived at the listener: {source}")]
    Unheard {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// No randomness.
    #[error("cannot make a token: {0}")]
    Token(#[source] io::Error),
}

/// Dials every address and returns once each connection has come back.
///
/// # Errors
/// For the first address whose connection does not come back within the time.
pub fn validate(validation: &Validation) -> Result<(), ValidateError> {
    let address = validation.listen;
    let listening = |source| ValidateError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(listening)?;
    listener.set_nonblocking(true).map_err(listening)?;
    let deadline = Instant::now() + validation.timeout;
    validation.connect.iter().try_for_each(|target| prove(&listener, *target, deadline))
}

fn prove(listener: &TcpListener, target: SocketAddr, deadline: Instant) -> Result<(), ValidateError> {
    let tokens = [token().map_err(ValidateError::Token)?, token().map_err(ValidateError::Token)?];
    thread::scope(|scope| {
        let server = scope.spawn(|| serve(listener, target, deadline, &tokens));
        dial(target, deadline, &tokens)?;
        let served = server.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        served.map_err(|source| ValidateError::Unheard { address: target, source })
    })
}

/// Waits for the connection that was meant for `target`, says the first token and hears the second.
fn serve(
    listener: &TcpListener,
    target: SocketAddr,
    deadline: Instant,
    tokens: &[String; 2],
) -> io::Result<()> {
    loop {
        remaining(deadline)?;
        match listener.accept() {
            Ok((stream, peer)) => {
                if original_destination(&stream, peer) == Some(target) {
                    return exchange(stream, deadline, tokens);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(POLL),
            Err(error) => return Err(error),
        }
    }
}

fn exchange(mut stream: TcpStream, deadline: Instant, [spoken, heard]: &[String; 2]) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.write_all(format!("{spoken}\n").as_bytes())?;
    let line = read_line(&stream, deadline)?;
    if line == *heard { Ok(()) } else { Err(io::Error::other("another token came back")) }
}

/// Connects, hears the first token and says the second.
fn dial(target: SocketAddr, deadline: Instant, [heard, spoken]: &[String; 2]) -> Result<(), ValidateError> {
    let connect = |source| ValidateError::Connect { address: target, source };
    let stranger = |reason: String| ValidateError::Stranger { address: target, reason };
    let time = remaining(deadline).map_err(connect)?;
    let mut stream = TcpStream::connect_timeout(&target, time).map_err(connect)?;
    let line = read_line(&stream, deadline).map_err(|error| stranger(error.to_string()))?;
    if line != *heard {
        return Err(stranger(format!("heard {line:?} instead of the token")));
    }
    stream.write_all(format!("{spoken}\n").as_bytes()).map_err(|error| stranger(error.to_string()))
}

/// Where the peer wanted to go, as conntrack remembers it.
pub fn original_destination(stream: &TcpStream, peer: SocketAddr) -> Option<SocketAddr> {
    if peer.ip().to_canonical().is_ipv4() {
        let found = getsockopt(stream, sockopt::OriginalDst).ok()?;
        let address = Ipv4Addr::from(u32::from_be(found.sin_addr.s_addr));
        return Some(SocketAddr::new(IpAddr::V4(address), u16::from_be(found.sin_port)));
    }
    let found = getsockopt(stream, sockopt::Ip6tOriginalDst).ok()?;
    Some(SocketAddr::new(IpAddr::V6(found.sin6_addr.s6_addr.into()), u16::from_be(found.sin6_port)))
}

/// One line, without its end, of bounded length.
fn read_line(stream: &TcpStream, deadline: Instant) -> io::Result<String> {
    stream.set_read_timeout(Some(remaining(deadline)?))?;
    let mut line = String::new();
    BufReader::new(stream.take(TOKEN_LENGTH as u64 + 1)).read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(text) => Ok(text.to_owned()),
        None => Err(io::Error::other("the other side ended before the token did")),
    }
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Letters and digits that nobody can guess.
fn token() -> io::Result<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; TOKEN_LENGTH];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    if filled < TOKEN_LENGTH {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_have_their_length() {
        let [one, two] = [token().unwrap(), token().unwrap()];
        assert_ne!(one, two);
        assert_eq!(one.len(), TOKEN_LENGTH);
    }

    #[test]
    fn a_stranger_is_not_taken_for_us() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = other.local_addr().unwrap();
        let speaker = thread::spawn(move || {
            let (mut stream, _) = other.accept().unwrap();
            stream.write_all(b"220 mail.example.com\n").unwrap();
        });
        let validation = Validation {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            connect: vec![target],
            timeout: Duration::from_secs(1),
        };
        let error = validate(&validation).unwrap_err();
        assert!(matches!(error, ValidateError::Stranger { .. }), "{error}");
        speaker.join().unwrap();
    }

    #[test]
    fn silence_ends_in_time() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let validation = Validation {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            connect: vec![other.local_addr().unwrap()],
            timeout: Duration::from_millis(200),
        };
        let begun = Instant::now();
        validate(&validation).unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
