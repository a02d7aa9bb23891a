//! The report about an install: shown to whoever asks, sent to nobody but whom the configuration names.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::kit::{Lab, NAMESPACE, PATIENCE, lab};

/// Runs the component to its end.
fn heartbeat(lab: &Lab, args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = lab.account_kubeconfig("linkerd-heartbeat", lab.cluster.server(), folder.path());
    Command::new(env!("CARGO_BIN_EXE_linkerd-controller"))
        .arg("heartbeat")
        .arg(format!("--controller-namespace={NAMESPACE}"))
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .args(args)
        .env_clear()
        .output()
        .unwrap()
}

/// A server that answers with a status and tells the first line of each request.
fn receiver(status: &'static str) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    (address, lines)
}

#[test]
fn a_report_is_shown_and_sent_only_where_somebody_says_so() {
    let lab = lab();
    let uid =
        lab.live(NAMESPACE, "configmap", "linkerd-config")["metadata"]["uid"].as_str().unwrap().to_owned();
    let (address, lines) = receiver("204 No Content");
    let url = format!("--url=http://{address}/report?from=test");

    // Nothing is sent without an address, nor with one when it is only to be shown.
    for args in [&[][..], &["--dry-run", &url]] {
        let output = heartbeat(lab, args);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.lines().any(|line| line == format!("uuid={uid}")), "{text}");
        for name in ["version=", "arch=", "k8s-version=v1.", "install-time=1"] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name}: {text}");
        }
        assert!(lines.try_recv().is_err(), "{args:?} sent something");
    }

    let output = heartbeat(lab, &[&url]);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    let line = lines.recv_timeout(PATIENCE).unwrap();
    assert!(line.starts_with("GET /report?from=test&arch="), "{line}");
    assert!(line.contains(&format!("uuid={uid}")) && line.contains("k8s-version=v1."), "{line}");
    assert!(lines.recv_timeout(Duration::from_millis(100)).is_err(), "once");

    // Whoever runs it learns that it was not taken, and what is no address is named.
    let (address, _lines) = receiver("500 Internal Server Error");
    let output = heartbeat(lab, &[&format!("--url=http://{address}/")]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("500"), "{said}");
    let output = heartbeat(lab, &["--url=ftp://example.com"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("--url") && said.contains("ftp://example.com"),
        "{said}"
    );
}
