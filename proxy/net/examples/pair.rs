//! Two engines in one process, a bare mesh for measuring: `pair LISTEN TARGET [http1|http2|tunnel] [http1|http2]`.
//!
//! The first engine takes clients on LISTEN and speaks HTTP/2 (or copies octets) over mutual TLS to the second, which listens on
//! the next port and speaks the protocol of the last argument to TARGET. There is no decision to make: what it measures is the engine.
#![allow(clippy::print_stderr, reason = "a program for a terminal")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy_net::backoff::Backoff;
use proxy_net::engine::{
    Accepted, Attempt, CloseReport, Config, ConnId, Control, Detected, Direction, EndpointEvent, EndpointId,
    EndpointQueue, EndpointSpec, EndpointTls, Engine, ExchangeId, Failure, Forward, H2Server, Handler,
    Listener, Prefaces, Progress, Reply, Request, RequestStep, ResponseStep, ServeHttp, Step, Summary,
    Timeouts, Upstream, Woken, mailbox,
};
use proxy_net::h2::End;
use proxy_net::headers::HeaderList;
use proxy_net::transport::{ListenOptions, OriginalDst, SocketOptions, listen};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Sends everything to one endpoint.
struct Fixed {
    endpoint: Option<EndpointId>,
    upstream: Upstream,
    server: Option<Arc<rustls::ServerConfig>>,
    opaque: bool,
}

const PATIENCE: Duration = Duration::from_secs(10);

impl Fixed {
    fn target(&self) -> Step {
        match self.endpoint {
            Some(endpoint) if self.opaque => Step::Tunnel { endpoint, idle: None },
            _ => Step::DetectHttp { timeout: PATIENCE, silence: None },
        }
    }
}

impl Handler for Fixed {
    type Conn = ();
    type Exchange = ();
    type Endpoint = ();
    type Message = ();

    fn accepted(&mut self, _: &mut Control<'_, Self>, _: &Accepted) -> ((), Step) {
        let step = match &self.server {
            Some(config) => Step::TerminateTls { config: Arc::clone(config), timeout: PATIENCE },
            None => self.target(),
        };
        ((), step)
    }

    fn advance(&mut self, _: &mut Control<'_, Self>, _: ConnId, (): &mut (), event: Progress<'_>) -> Step {
        let serve =
            ServeHttp { h2: H2Server { config: large_windows(), keep_alive: None, send_buffer: None } };
        match event {
            Progress::Secured { .. } => self.target(),
            Progress::Protocol(Detected::Http1) => Step::ServeHttp1(serve),
            Progress::Protocol(Detected::Http2) => Step::ServeHttp2(serve),
            _ => Step::Close { reason: "not expected", reset: true },
        }
    }

    fn request(
        &mut self,
        _: &mut Control<'_, Self>,
        _: &Request,
        (): &mut (),
        _: &mut HeaderList,
    ) -> ((), RequestStep) {
        let step = match self.endpoint {
            Some(endpoint) => RequestStep::Forward(Forward {
                endpoint,
                protocol: self.upstream,
                replay: 0,
                timeouts: Timeouts { request: Some(PATIENCE), ..Timeouts::default() },
                hold_for_trailers: false,
            }),
            None => RequestStep::Reply(Box::new(Reply { status: 503, ..Reply::default() })),
        };
        ((), step)
    }

    fn resumed(
        &mut self,
        _: &mut Control<'_, Self>,
        _: ExchangeId,
        (): &mut (),
        _: &mut HeaderList,
        _: Woken,
    ) -> RequestStep {
        RequestStep::Reply(Box::new(Reply { status: 503, ..Reply::default() }))
    }

    fn response(
        &mut self,
        _: &mut Control<'_, Self>,
        _: &Attempt,
        (): &mut (),
        _: Option<&mut ()>,
        _: &mut HeaderList,
        _: End,
        _: Option<&HeaderList>,
    ) -> ResponseStep {
        ResponseStep::Pass
    }

    fn failed(
        &mut self,
        _: &mut Control<'_, Self>,
        _: &Attempt,
        (): &mut (),
        _: Option<&mut ()>,
        failure: Failure,
    ) -> ResponseStep {
        eprintln!("failed: {failure:?}");
        ResponseStep::Reply(Box::new(Reply { status: 502, ..Reply::default() }))
    }

    fn data(&mut self, (): &mut (), _: Direction, _: usize) {}
    fn trailers(&mut self, (): &mut (), _: Direction, _: &mut HeaderList) {}
    fn finished(&mut self, _: &mut Control<'_, Self>, (): (), _: Option<(EndpointId, &mut ())>, _: &Summary) {
    }
    fn closed(&mut self, _: &mut Control<'_, Self>, (): (), _: &CloseReport) {}
    fn tunneled(&mut self, (): &mut (), _: Direction, _: &[u8], _: Instant) {}
    fn endpoint(&mut self, _: &mut Control<'_, Self>, _: EndpointId, (): &mut (), _: EndpointEvent) {}
    fn message(&mut self, _: &mut Control<'_, Self>, (): ()) {}
    fn tick(&mut self, _: &mut Control<'_, Self>) {}
}

fn large_windows() -> proxy_net::h2::Config {
    let mut config = proxy_net::h2::Config::default();
    config.settings.initial_window_size = 1 << 20;
    config.connection_window = 4 << 20;
    config.settings.max_concurrent_streams = 1000;
    config
}

fn run(addr: SocketAddr, spec: EndpointSpec, mut handler: Fixed) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let (_mailbox, inbox) = mailbox(1);
        handler.endpoint = None;
        let mut engine = Engine::new(Config::default(), inbox, handler);
        let socket = listen(addr, ListenOptions::default())?;
        engine.listen(Listener {
            id: 0,
            socket,
            options: SocketOptions::default(),
            original: OriginalDst::Local,
        })?;
        let (handler, mut control) = engine.handler();
        handler.endpoint = Some(control.add_endpoint(spec, ()));
        tokio::task::unconstrained(engine.run()).await;
        Ok(())
    })
}

fn spec(addr: SocketAddr, tls: Option<EndpointTls>) -> Result<EndpointSpec, Failed> {
    Ok(EndpointSpec {
        addr,
        tls,
        preface: Prefaces::default(),
        connect_timeout: Duration::from_secs(1),
        queue: EndpointQueue { capacity: 10_000, wait: Duration::from_secs(1) },
        backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(10), 0.1)?,
        keep_alive: None,
        user_timeout: None,
        h2: large_windows(),
        h2_keep_alive: None,
        http1_idle: Duration::from_secs(3),
        http1_max_idle: 10_000,
        eager: None,
    })
}

/// Both sides' TLS, from an authority made on the spot.
fn tls() -> Result<(Arc<rustls::ServerConfig>, EndpointTls), Failed> {
    let ca_key = rcgen::KeyPair::generate()?;
    let mut ca = rcgen::CertificateParams::new(Vec::new())?;
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = rcgen::Issuer::from_params(&ca, &ca_key);
    let leaf_key = rcgen::KeyPair::generate()?;
    let leaf = rcgen::CertificateParams::new(vec!["peer.test".to_owned()])?.signed_by(&leaf_key, &issuer)?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.self_signed(&ca_key)?.der().clone())?;
    let roots = Arc::new(roots);
    let key = || rustls_pki_types::PrivatePkcs8KeyDer::from(leaf_key.serialize_der()).into();
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites = vec![rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let provider = Arc::new(provider);
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::clone(&roots),
        Arc::clone(&provider),
    );
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier.build()?)
        .with_single_cert(vec![leaf.der().clone()], key())?;
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![leaf.der().clone()], key())?;
    let server_name = rustls_pki_types::ServerName::try_from("peer.test")?;
    Ok((Arc::new(server), EndpointTls { config: Arc::new(client), server_name }))
}

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(addr), Some(target)) = (arguments.first(), arguments.get(1)) else {
        return Err("usage: pair LISTEN TARGET [tunnel] [http1|http2]".into());
    };
    let (addr, target): (SocketAddr, SocketAddr) = (addr.parse()?, target.parse()?);
    let opaque = arguments.iter().any(|word| word == "tunnel");
    let upstream =
        if arguments.last().is_some_and(|word| word == "http2") { Upstream::Http2 } else { Upstream::Http1 };
    let between = SocketAddr::new(addr.ip(), addr.port() + 1);
    let (server, client) = tls()?;
    let inner = Fixed { endpoint: None, upstream, server: Some(server), opaque };
    let outer = Fixed { endpoint: None, upstream: Upstream::Http2, server: None, opaque };
    let inner_spec = spec(target, None)?;
    let outer_spec = spec(between, Some(client))?;
    let second = std::thread::Builder::new()
        .name("inner".to_owned())
        .spawn(move || run(between, inner_spec, inner))?;
    run(addr, outer_spec, outer)?;
    second.join().map_err(|_| "the second engine panicked")?
}
