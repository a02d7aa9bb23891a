//! Namespaces, services and connections.

use std::{
    fmt::Write as _,
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use nix::unistd::{Gid, Uid, geteuid, setfsgid, setfsuid};
use proxy_init::{host::enter_namespace, validate::original_destination};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_linkerd-init");

/// The pod's addresses, one per family.
pub(crate) const POD: [&str; 2] = ["10.9.0.2", "fd09::2"];
/// Further addresses of the pod, reached from sources that are to be skipped.
pub(crate) const POD_SKIPPED: [&str; 2] = ["10.8.0.2", "fd08::2"];
/// Addresses outside that the pod calls.
pub(crate) const OUTSIDE: [&str; 2] = ["198.51.100.7", "2001:db8::7"];

/// A program that the tests call, and the Debian package that brings it.
const TOOLS: [(&str, &str); 6] = [
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("iptables-legacy-restore", "iptables"),
    ("ip6tables-legacy-restore", "iptables"),
    ("setcap", "libcap2-bin"),
    ("unshare", "util-linux"),
];

/// Two namespaces and the cable between them; removed when dropped.
pub(crate) struct World {
    /// The namespace of the pod.
    pub(crate) pod: Namespace,
    /// Everything else.
    pub(crate) outside: Namespace,
}

/// A network namespace with a name.
pub(crate) struct Namespace(String);

/// Who opens a connection.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sender {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl World {
    /// Makes the namespaces and starts services in them:
    /// in the pod `inbound` (4143), `outbound` (4140), `app` (8080) and `admin` (4190); outside `web` (80) and `tls` (443).
    pub(crate) fn new() -> Self {
        let world = Self::silent();
        for (name, port) in [("inbound", 4143), ("outbound", 4140), ("app", 8080), ("admin", 4190)] {
            world.pod.serve(name, port);
        }
        for (name, port) in [("web", 80), ("tls", 443)] {
            world.outside.serve(name, port);
        }
        world
    }

    /// Makes the namespaces without any service.
    pub(crate) fn silent() -> Self {
        check_prerequisites();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = |role: &str| format!("init-{}-{number}-{role}", std::process::id());
        let world = Self { pod: Namespace::new(name("pod")), outside: Namespace::new(name("out")) };
        let (pod, outside) = (&world.pod.0, &world.outside.0);
        ip(&format!("-n {pod} link add eth0 type veth peer name eth0 netns {outside}"));
        for (namespace, host) in [(pod, 2), (outside, 1)] {
            ip(&format!("-n {namespace} link set eth0 up"));
            for network in ["10.9.0", "10.8.0"] {
                ip(&format!("-n {namespace} addr add {network}.{host}/24 dev eth0"));
            }
            for network in ["fd09::", "fd08::"] {
                ip(&format!("-n {namespace} addr add {network}{host}/64 dev eth0 nodad"));
            }
        }
        ip(&format!("-n {outside} addr add {}/32 dev lo", OUTSIDE[0]));
        ip(&format!("-n {outside} addr add {}/128 dev lo nodad", OUTSIDE[1]));
        ip(&format!("-n {pod} route add default via 10.9.0.1"));
        ip(&format!("-n {pod} -6 route add default via fd09::1"));
        world
    }

    /// Runs `linkerd-init` for the pod and expects it to succeed; returns what it said.
    pub(crate) fn init(&self, args: &[&str]) -> String {
        let output = self.try_init(args);
        assert!(output.status.success(), "linkerd-init {args:?}: {}", text(&output));
        text(&output)
    }

    /// Runs `linkerd-init` in the pod.
    pub(crate) fn try_init(&self, args: &[&str]) -> Output {
        self.pod.output(Command::new(BINARY).args(args))
    }
}

impl Namespace {
    fn new(name: String) -> Self {
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
        Self(name)
    }

    /// The file that stands for it.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.0)
    }

    /// Does something on a thread inside.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                enter_namespace(&self.path()).unwrap();
                work()
            });
            inside.join().unwrap()
        })
    }

    /// Runs a program inside.
    pub(crate) fn output(&self, command: &mut Command) -> Output {
        self.inside(|| command.output().unwrap())
    }

    /// Runs a program of words without blanks inside, and expects it to succeed; returns what it printed.
    pub(crate) fn run(&self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let output = self.output(Command::new(words[0]).args(&words[1..]));
        assert!(output.status.success(), "{line}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Answers each connection to a port with a name and with where the connection wanted to go.
    fn serve(&self, name: &'static str, port: u16) {
        let listener = self.inside(|| TcpListener::bind(format!("[::]:{port}"))).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that has gone is the client's affair.
                let _ = stream.and_then(|stream| answer(stream, name));
            }
        });
    }

    /// What a connection from inside is answered.
    pub(crate) fn dial(&self, sender: Sender, host: &str, port: u16) -> String {
        let address = SocketAddr::new(host.parse::<IpAddr>().unwrap(), port);
        let answer = self.inside(move || {
            // Of this thread alone; the socket belongs to whoever the thread is when it is opened.
            setfsgid(Gid::from_raw(sender.gid));
            setfsuid(Uid::from_raw(sender.uid));
            let mut text = String::new();
            let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.read_to_string(&mut text).map(|_| text)
        });
        answer.unwrap_or_else(|error| format!("{address}: {error}"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// An address and a port as services write them.
pub(crate) fn address(host: &str, port: u16) -> String {
    SocketAddr::new(host.parse().unwrap(), port).to_string()
}

/// Everything that a program said.
pub(crate) fn text(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    write!(text, "{}", String::from_utf8_lossy(&output.stderr)).unwrap();
    text
}

fn answer(mut stream: TcpStream, name: &str) -> io::Result<()> {
    let peer = stream.peer_addr()?;
    let wanted = original_destination(&stream, peer).map(|address| address.to_string());
    stream.write_all(format!("{name} {}", wanted.unwrap_or_default()).as_bytes())
}

fn ip(line: &str) {
    let output = Command::new("ip").args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {line}: {}", text(&output));
}

fn check_prerequisites() {
    assert!(geteuid().is_root(), "these tests make network namespaces: run them as root");
    for (program, package) in TOOLS {
        let found = Command::new(program).arg("-V").output();
        assert!(found.is_ok(), "{program} is missing: install the Debian package {package}");
    }
}
