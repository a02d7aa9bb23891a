//! A network of its own with a cluster in it, the charts applied, and the program under test as a process.
//!
//! The API server refuses webhooks behind loopback addresses, so every test enters a network namespace that has one
//! more address. What a test starts lives in there too, and ends with it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use manifests::values::coalesce;
use manifests::{Chart, Release};
use mesh_pki::generate::{Identity, Request};
use mesh_pki::{Bundle, SystemEntropy};
use mesh_tests::cluster::{Cluster, Level, output_of, stdout_of, stdout_with_input};
use nix::sched::{CloneFlags, setns, unshare};
use rustls::client::WantsClientCert;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use serde_json::{Value, json};

/// The address of everything that the API server has to reach.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// Namespace of the control plane.
pub(crate) const NAMESPACE: &str = "linkerd";
/// The file with the token of a component's account.
const TOKEN: &str = "token";
/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster in a network namespace, with the charts applied.
pub(crate) struct Lab {
    network: File,
    pub(crate) cluster: Cluster,
    pub(crate) identity: Identity,
}

/// The lab that all tests share; the calling thread is in its network afterwards.
pub(crate) fn lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    let lab = LAB.get_or_init(|| Lab::set_up(Timestamp::now(), &json!({"remoteClusters": true})));
    lab.enter();
    lab
}

impl Lab {
    /// A new network, cluster and control plane; `values` are laid over the chart's.
    pub(crate) fn set_up(now: Timestamp, values: &Value) -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("this test makes a network namespace: run it as root");
        for command in ["link set lo up".to_owned(), format!("addr add {ADDRESS}/28 dev lo")] {
            let status = Command::new("ip").args(command.split(' ')).status().unwrap();
            assert!(status.success(), "ip {command}");
        }
        let network = File::open("/proc/thread-self/ns/net").unwrap();
        let cluster = Cluster::start_own(Level::ApiServer).unwrap();
        let identity = anchored(now, SignedDuration::from_hours(24 * 365));
        let lab = Self { network, cluster, identity };
        lab.install(values);
        lab
    }

    /// Moves the calling thread, and what it starts from now on, into the lab's network.
    pub(crate) fn enter(&self) {
        setns(&self.network, CloneFlags::CLONE_NEWNET).unwrap();
    }

    /// The file of the lab's network.
    pub(crate) fn network_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.network.as_raw_fd()))
    }

    fn install(&self, values: &Value) {
        let release = Release { name: "linkerd", namespace: NAMESPACE, kube_version: "v1.33.0" };
        let issuer = &self.identity.issuer;
        let set = json!({
            "global": {"identityTrustAnchorsPEM": self.identity.bundle().to_pem()},
            "identity": {
                "issuer": {"tls": {"crtPEM": issuer.certificate_pem(), "keyPEM": issuer.key_pem()}},
                "trustAnchor": {
                    "crtPEM": self.identity.anchor.certificate.to_pem(),
                    "keyPEM": self.identity.anchor.key.to_pem(),
                },
            },
        });
        let defaults = Chart::Control.defaults().unwrap();
        let values = coalesce(&coalesce(defaults, &set), values);
        for (chart, values) in [(Chart::Crds, Chart::Crds.defaults().unwrap()), (Chart::Control, &values)] {
            let objects = manifests::render(chart, values, &release).unwrap();
            let text: Vec<String> = objects.iter().map(|object| object.text.clone()).collect();
            self.apply(&text.join("\n---\n"));
            self.cluster.wait_for_definitions().unwrap();
        }
    }

    /// Applies a manifest as the administrator.
    pub(crate) fn apply(&self, manifest: &str) -> String {
        let mut kubectl = self.cluster.kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"]);
        stdout_with_input(&mut kubectl, manifest).unwrap()
    }

    /// What is said to somebody who would create what a manifest names. Nothing is stored, so that it can be tried again.
    pub(crate) fn try_create(&self, manifest: &str) -> Result<String, String> {
        let mut kubectl = self.cluster.kubectl(["create", "--dry-run=server", "-f", "-"]);
        stdout_with_input(&mut kubectl, manifest).map_err(|error| format!("{error:#}"))
    }

    /// Runs kubectl as the administrator and returns what it prints.
    #[track_caller]
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        stdout_of(&mut self.cluster.kubectl(args)).unwrap()
    }

    /// A live object, or null.
    pub(crate) fn live(&self, namespace: &str, kind: &str, name: &str) -> Value {
        let args = ["get", kind, name, "--namespace", namespace, "--ignore-not-found", "-o", "json"];
        let text = self.kubectl(&args);
        if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// Makes a namespace of a name that is free, and waits for its account.
    pub(crate) fn namespace(&self, prefix: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("{prefix}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.kubectl(&["create", "namespace", &name]);
        eventually("the namespace's account", || {
            (!self.live(&name, "serviceaccount", "default").is_null()).then_some(())
        });
        name
    }

    /// A meshed pod that runs, as far as the API server knows, at an address of this machine.
    pub(crate) fn pod(&self, namespace: &str, name: &str, labels: &Value, ip: Ipv4Addr) {
        self.pod_on(namespace, name, "nowhere", labels, ip);
    }

    /// As [`Lab::pod`], on a node of that name.
    pub(crate) fn pod_on(&self, namespace: &str, name: &str, node: &str, labels: &Value, ip: Ipv4Addr) {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": {"linkerd.io/control-plane-ns": NAMESPACE}},
            "spec": {"nodeName": node, "containers": [{"name": "a", "image": "b"}]}});
        for (key, value) in labels.as_object().unwrap() {
            pod["metadata"]["labels"][key] = value.clone();
        }
        self.apply(&pod.to_string());
        let status = json!({"phase": "Running", "podIP": ip.to_string(), "podIPs": [{"ip": ip.to_string()}],
            "conditions": [{"type": "Ready", "status": "True"}]});
        self.patch_status(namespace, "pod", name, &status);
    }

    /// Writes the status of an object, as its controller does.
    pub(crate) fn patch_status(&self, namespace: &str, kind: &str, name: &str, status: &Value) {
        let patch = json!({"status": status}).to_string();
        let object = ["patch", kind, name, "--namespace", namespace, "--subresource=status"];
        self.kubectl(&[&object[..], &["--type=merge", "--patch", &patch]].concat());
    }

    /// A token of an account, for an audience, as the kubelet would mount it.
    pub(crate) fn token(&self, namespace: &str, account: &str, more: &[&str]) -> String {
        let mut args = vec!["create", "token", account, "--namespace", namespace];
        args.extend(more);
        self.kubectl(&args).trim().to_owned()
    }

    /// A kubeconfig by which a process is the account of its component, with the rights the chart gives. The token lies
    /// in a file of its own, as in a pod.
    pub(crate) fn account_kubeconfig(&self, account: &str, server: &str, folder: &Path) -> PathBuf {
        let token = folder.join(TOKEN);
        fs::write(&token, self.token(NAMESPACE, account, &["--duration=2h"])).unwrap();
        let ca = self.cluster.dir().join("ca.crt");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": server, "certificate-authority": ca}}],
            "users": [{"name": "it", "user": {"tokenFile": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": NAMESPACE}}],
        });
        let path = folder.join(format!("{account}.kubeconfig"));
        fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// Lets a Service of the control plane lead to a port of this machine instead of to pods.
    pub(crate) fn serve(&self, service: &str, port: u16) {
        let remove = r#"[{"op": "remove", "path": "/spec/selector"}]"#;
        let patch = ["patch", "service", service, "--namespace", NAMESPACE, "--type=json", "--patch", remove];
        // Removing it a second time fails, and changes nothing.
        let _ = output_of(&mut self.cluster.kubectl(patch));
        let ports = self.live(NAMESPACE, "service", service)["spec"]["ports"].as_array().unwrap().clone();
        let name = ports.iter().find(|it| it["port"] == 443).unwrap_or(&ports[0])["name"].clone();
        let endpoints = json!({
            "apiVersion": "v1", "kind": "Endpoints",
            "metadata": {"name": service, "namespace": NAMESPACE},
            "subsets": [{"addresses": [{"ip": ADDRESS.to_string()}], "ports": [{"name": name, "port": port}]}],
        });
        self.apply(&endpoints.to_string());
    }

    /// A client of the administrator, for tests that ask more than kubectl can.
    pub(crate) async fn client(&self) -> kube::Client {
        self.client_of(&self.cluster.kubeconfig_path()).await
    }

    /// A client of the user of a kubeconfig.
    pub(crate) async fn client_of(&self, kubeconfig: &Path) -> kube::Client {
        let file = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(file, &options).await.unwrap();
        kube::Client::try_from(config).unwrap()
    }

    /// The PEM text of an entry of a Secret of the control plane.
    pub(crate) fn secret(&self, name: &str, key: &str) -> String {
        let entry = self.live(NAMESPACE, "secret", name)["data"][key].clone();
        let bytes = STANDARD.decode(entry.as_str().unwrap_or_default()).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// The reasons of the events about an object.
    pub(crate) fn event_reasons(&self, namespace: &str, name: &str) -> Vec<String> {
        let text = self.kubectl(&["get", "events.events.k8s.io", "--namespace", namespace, "-o", "json"]);
        let events: Value = serde_json::from_str(&text).unwrap();
        let about = events["items"].as_array().unwrap().iter().filter(|it| it["regarding"]["name"] == name);
        about.map(|event| event["reason"].as_str().unwrap().to_owned()).collect()
    }
}

/// An anchor and an issuer of the mesh, the issuer living for `lifetime`.
pub(crate) fn anchored(now: Timestamp, lifetime: SignedDuration) -> Identity {
    let anchor = Request::new("root.linkerd.cluster.local", now, SignedDuration::from_hours(24 * 3_650));
    let issuer = Request::new("identity.linkerd.cluster.local", now, lifetime);
    mesh_pki::generate::identity(&anchor, &issuer, &mut SystemEntropy::new()).unwrap()
}

/// A process of `linkerd-controller`. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    pub(crate) admin: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
    ended: Mutex<Receiver<()>>,
    /// Ends the process when this one ends without dropping anything, as test programs do with what is static.
    watcher: Child,
    folder: tempfile::TempDir,
}

impl Process {
    /// Starts a component as its account in `lab`; `args` follow the common ones.
    pub(crate) fn start(lab: &Lab, component: &str, account: &str, args: &[String]) -> Self {
        Self::start_as(lab, component, account, &format!("{account}-0"), args)
    }

    /// The same, as the pod `pod`.
    pub(crate) fn start_as(lab: &Lab, component: &str, account: &str, pod: &str, args: &[String]) -> Self {
        Self::start_at(lab, lab.cluster.server(), component, account, pod, args)
    }

    /// The same, reaching the API server at `server`.
    pub(crate) fn start_at(
        lab: &Lab,
        server: &str,
        component: &str,
        account: &str,
        pod: &str,
        args: &[String],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = lab.account_kubeconfig(account, server, folder.path());
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut child = Command::new(env!("CARGO_BIN_EXE_linkerd-controller"))
            .arg(component)
            .arg(format!("--controller-namespace={NAMESPACE}"))
            .args(["--log-level=debug", "--log-format=plain"])
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg(format!("--admin-addr={admin}"))
            .args(args)
            .env_clear()
            .env("POD_NAME", pod)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (stderr, collected) = (child.stderr.take().unwrap(), Arc::clone(&lines));
        let (end, ended) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                collected.lock().unwrap().push(line);
            }
            let _ = end.send(());
        });
        let script = format!("cat > /dev/null; kill -9 {} 2> /dev/null", child.id());
        let watcher = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
        Self { child, admin, lines, ended: Mutex::new(ended), watcher, folder }
    }

    /// Waits until `/ready` says so.
    #[track_caller]
    pub(crate) fn ready(self) -> Self {
        let deadline = Instant::now() + PATIENCE;
        while self.admin("/ready").0 != 200 {
            assert!(Instant::now() < deadline, "not ready: {}\n{}", self.admin("/ready").1, self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        self
    }

    /// Asks the admin port; status 0 when nobody answers.
    pub(crate) fn admin(&self, path: &str) -> (u16, String) {
        get(self.admin, path)
    }

    /// The value of a metric, by the start of its line.
    pub(crate) fn metric(&self, start: &str) -> Option<f64> {
        let text = self.admin("/metrics").1;
        let line = text.lines().find(|line| line.starts_with(start))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// Gives it another token, as the kubelet does.
    pub(crate) fn give_token(&self, token: &str) {
        let aside = self.folder.path().join("token.new");
        fs::write(&aside, token).unwrap();
        fs::rename(aside, self.folder.path().join(TOKEN)).unwrap();
    }

    /// Ends it without a word, as a node that fails does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Asks it to end, and returns its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        let _ = self.ended.lock().unwrap().recv_timeout(PATIENCE);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        for child in [&mut self.watcher, &mut self.child] {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- log of the component:\n{}", self.log());
        }
    }
}

/// A folder that changes as the kubelet changes the mount of a Secret.
pub(crate) struct Mount {
    folder: tempfile::TempDir,
    version: u32,
}

impl Mount {
    /// With these files in it.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let mut mount = Self { folder: tempfile::tempdir().unwrap(), version: 0 };
        for (name, _) in files {
            symlink(format!("..data/{name}"), mount.path().join(name)).unwrap();
        }
        mount.replace(files);
        mount
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// All files at once, by renaming the link.
    pub(crate) fn replace(&mut self, files: &[(&str, &str)]) {
        self.version += 1;
        let version = format!("..{}", self.version);
        fs::create_dir(self.path().join(&version)).unwrap();
        for (name, text) in files {
            fs::write(self.path().join(&version).join(name), text).unwrap();
        }
        symlink(&version, self.path().join("..data_tmp")).unwrap();
        fs::rename(self.path().join("..data_tmp"), self.path().join("..data")).unwrap();
    }
}

/// A way to the API server that can be cut.
pub(crate) struct Gate {
    port: u16,
    open: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Gate {
    /// An open one.
    pub(crate) fn to(lab: &Lab) -> Self {
        let target: SocketAddr = lab.cluster.server().trim_start_matches("https://").parse().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let gate = Self {
            port: listener.local_addr().unwrap().port(),
            open: Arc::new(AtomicBool::new(true)),
            streams: Arc::default(),
        };
        let (open, streams) = (Arc::clone(&gate.open), Arc::clone(&gate.streams));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if !open.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(target) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(std::net::Shutdown::Both);
                    });
                }
                streams.lock().unwrap().extend([client, server]);
            }
        });
        gate
    }

    /// The URL to use.
    pub(crate) fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Ends every connection, and takes no new one.
    pub(crate) fn cut(&self) {
        self.open.store(false, Ordering::SeqCst);
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Lets packets vanish, in both directions: nobody says that a connection has ended. What is lost is lost in the
    /// lab's network alone.
    pub(crate) fn swallow(&self) {
        let port = self.port;
        let rules = format!(
            "table inet gate {{\n chain lost {{\n type filter hook input priority 0\n \
             tcp dport {port} drop\n tcp sport {port} drop\n }}\n}}\n"
        );
        stdout_with_input(Command::new("nft").args(["-f", "-"]), &rules).unwrap();
    }

    /// Lets packets through again.
    pub(crate) fn deliver(&self) {
        stdout_of(Command::new("nft").args(["delete", "table", "inet", "gate"])).unwrap();
    }

    /// Takes connections again.
    pub(crate) fn mend(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

/// Runs the command in this process, so in this thread's network: exit code, standard output, standard error.
pub(crate) fn linkerd(kubeconfig: &Path, args: &[&str]) -> (u8, String, String) {
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);
    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let settings = linkerd_cli::settings::Settings {
        no_color: true,
        force_color: false,
        utf8: true,
        path: None,
        version: mesh_core::version::CLI.to_owned(),
        registry: None,
    };
    let (out, err) = (Kept::default(), Kept::default());
    let mut ui = linkerd_cli::ui::Ui::captured(Box::new(out.clone()), Box::new(err.clone()));
    let config = format!("--kubeconfig={}", kubeconfig.display());
    let all = ["linkerd", &config].into_iter().chain(args.iter().copied()).map(Into::into).collect();
    let code = linkerd_cli::run(all, settings, &mut ui);
    drop(ui);
    let text = |kept: Kept| String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    (code, text(out), text(err))
}

/// A port of the lab that is free now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port()
}

/// Waits until `probe` finds something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, probe)
}

/// The same for what takes its time.
#[track_caller]
pub(crate) fn within<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A client of TLS that trusts these authorities and no other; the caller says who it is itself.
pub(crate) fn trusting(bundle: &Bundle) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    bundle.certificates().iter().for_each(|anchor| roots.add(anchor.der().clone()).unwrap());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
}

/// Runs a future on this thread, which is where the network is.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(addr) else { return (0, String::new()) };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    let mut text = String::new();
    if stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut text)).is_err() {
        return (0, text);
    }
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}
