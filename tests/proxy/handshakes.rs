//! How long the handshake of TLS takes that leaves the mesh, whatever its version: seen from outside, without a look inside.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh_tests::mesh::answers::outbound::streams::To;
use mesh_tests::mesh::answers::{self, outbound};
use mesh_tests::mesh::{Answer, Authority, Metrics, Result, World, addresses, tcp};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::{SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::kit::meshed;

/// What each flight of the client takes on its way.
const AWAY: Duration = Duration::from_millis(150);
/// How long the server is silent after the handshake, which does not belong to it.
const SILENCE: Duration = Duration::from_secs(2);

static NEW: &[&SupportedProtocolVersion] = &[&version::TLS13];
static OLD: &[&SupportedProtocolVersion] = &[&version::TLS12];

/// A server that takes only these, as far away as `AWAY`. It says its name after a silence.
struct Far {
    port: u16,
    host: &'static str,
    versions: &'static [&'static SupportedProtocolVersion],
    groups: Vec<&'static dyn rustls::crypto::SupportedKxGroup>,
}

// === impl Far ===

impl Far {
    fn serve(&self, world: &World, authority: &Authority) {
        let (chain, key) = authority.leaf(&[self.host], Duration::from_secs(3600)).unwrap().parts();
        let provider = CryptoProvider { kx_groups: self.groups.clone(), ..aws_lc_rs::default_provider() };
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tcp::serve(&world.control, SocketAddr::from(([0, 0, 0, 0], self.port)), move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let (near, far) = tokio::io::duplex(64 * 1024);
                let (mut octets, mut answer) = stream.into_split();
                let (mut come, mut go) = tokio::io::split(far);
                tokio::spawn(async move {
                    let mut buffer = vec![0; 16 * 1024];
                    while let Ok(count @ 1..) = octets.read(&mut buffer).await {
                        tokio::time::sleep(AWAY).await;
                        if go.write_all(&buffer[..count]).await.is_err() {
                            return;
                        }
                    }
                });
                tokio::spawn(async move { tokio::io::copy(&mut come, &mut answer).await });
                let Ok(mut stream) = acceptor.accept(near).await else { return };
                tokio::time::sleep(SILENCE).await;
                let _ = stream.write_all(b"far").await;
                let _ = stream.shutdown().await;
            }
        })
        .unwrap();
    }
}

fn outside(port: u16) -> SocketAddr {
    SocketAddr::from((addresses::OUTSIDE, port))
}

/// Listens for what the server says, without a word of its own.
fn listen(world: &World, config: &Arc<rustls::ClientConfig>, far: &Far) -> Result<String> {
    let (config, host) = (Arc::clone(config), ServerName::try_from(far.host)?);
    let address = outside(far.port);
    world.client.namespace.run(async move {
        let answer = async {
            let stream = tcp::connect(address).await?;
            let mut stream = TlsConnector::from(config).connect(host, stream).await?;
            let mut said = String::new();
            stream.read_to_string(&mut said).await?;
            Ok(said)
        };
        tokio::time::timeout(Duration::from_secs(10), answer).await?
    })
}

#[test]
fn a_handshake_is_timed_to_its_end_in_every_version() {
    let world = meshed();
    let authority = Authority::new("somebody else").unwrap();
    let all = aws_lc_rs::default_provider().kx_groups;
    // The client offers a share for none of these groups at first, so that it has to begin again.
    let other = vec![aws_lc_rs::kx_group::SECP384R1];
    let far = |port, host, versions, groups: &Vec<_>| Far { port, host, versions, groups: groups.clone() };
    let servers = [
        (far(9501, "new.example.test", NEW, &all), 1),
        (far(9502, "again.example.test", NEW, &other), 2),
        (far(9503, "old.example.test", OLD, &all), 2),
    ];
    for (far, _) in &servers {
        far.serve(&world, &authority);
        let endpoint = answers::endpoint(outside(far.port));
        let backend = outbound::forward("egress", far.port, endpoint);
        let routes = vec![outbound::streams::tls_route("all", &["*.example.test"], To::First(&[&backend]))];
        let policy = outbound::egress("egress", far.port, outbound::streams::tls(routes));
        world.plane.set_outbound(outside(far.port), Answer::Value(policy));
    }
    let roots = authority.roots().unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let config = Arc::new(config);
    let proxy = world.client.proxy().unwrap();
    let of = |metrics: &Metrics, what: &str, host: &str| {
        metrics.sum(&format!("outbound_tls_host_handshake_duration_seconds_{what}"), &[("hostname", host)])
    };
    let timed = |far: &Far, trips: u32, times: f64| {
        let before = of(&proxy.metrics().unwrap(), "sum", far.host);
        assert_eq!(listen(&world, &config, far).unwrap(), "far", "{}", far.host);
        let metrics =
            proxy.wait_for_metrics("a handshake", |metrics| of(metrics, "count", far.host) == times).unwrap();
        let took = Duration::from_secs_f64(of(&metrics, "sum", far.host) - before);
        let least = AWAY * trips;
        assert!((least..least + SILENCE / 2).contains(&took), "{}: {took:?} of {trips} trips", far.host);
    };
    for (far, trips) in &servers {
        timed(far, *trips, 1.0);
    }
    // What is resumed takes a trip less with TLS 1.2.
    timed(&servers[2].0, 1, 2.0);
    // A client that does not trust the server ends nothing.
    let nobody = rustls::ClientConfig::builder()
        .with_root_certificates(Authority::new("another").unwrap().roots().unwrap())
        .with_no_client_auth();
    for (far, _) in &servers {
        assert!(listen(&world, &Arc::new(nobody.clone()), far).is_err(), "{}", far.host);
    }
    let metrics = proxy
        .wait_for_metrics("connections that are gone", |metrics| {
            metrics.sum("outbound_tls_host_connections_total", &[]) == 7.0
                && metrics.sum("outbound_tls_route_close_total", &[]) == 7.0
        })
        .unwrap();
    assert_eq!(metrics.sum("outbound_tls_host_handshake_duration_seconds_count", &[]), 4.0, "{metrics}");
}
