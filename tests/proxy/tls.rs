//! TLS that is not the mesh's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh_tests::mesh::{Authority, World, addresses, tcp};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::kit::meshed;

const PORT: u16 = 8443;
const NAME: &str = "secure.example.test";

/// A TLS server of the application's own at the server pod.
fn serve(world: &World) -> Authority {
    let authority = Authority::new("somebody else").unwrap();
    let (chain, key) = authority.leaf(&[NAME], Duration::from_secs(3600)).unwrap().parts();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tcp::serve(&world.server.namespace, SocketAddr::from(([0, 0, 0, 0], PORT)), move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut octets = [0; 4];
                if stream.read_exact(&mut octets).await.is_ok() {
                    let _ = stream.write_all(&octets).await;
                    let _ = stream.shutdown().await;
                }
            }
        }
    })
    .unwrap();
    authority
}

#[test]
fn tls_of_the_application_passes_untouched() {
    let world = meshed();
    let authority = serve(&world);
    let roots = authority.roots().unwrap();
    let came = async move {
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let stream = tcp::connect(SocketAddr::from((addresses::SERVER, PORT))).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        stream.write_all(b"ping").await.unwrap();
        let mut octets = [0; 4];
        stream.read_exact(&mut octets).await.unwrap();
        octets
    };
    let limit = Duration::from_secs(20);
    let came = world.client.namespace.run(async move { tokio::time::timeout(limit, came).await });
    let came = came.expect("the server does not answer");
    assert_eq!(&came, b"ping");
}
