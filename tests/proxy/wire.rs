//! What somebody sees who listens between the pods.

use ::http::Version;
use mesh_tests::mesh::{Capture, http};

use crate::kit::{Calls, authority, meshed};

/// Words that must not be seen.
const SECRETS: [&str; 4] = ["top-secret-body", "x-secret-name", "x-secret-value", "/echo?secret-path"];

fn contains(octets: &[u8], word: &[u8]) -> bool {
    octets.windows(word.len()).any(|window| window == word)
}

/// Whether a ServerHello with TLS 1.3 among its extensions (`supported_versions`, two octets, 0x0304) was seen.
fn has_tls13_server_hello(octets: &[u8]) -> bool {
    contains(octets, &[0, 43, 0, 2, 3, 4])
}

#[test]
fn between_the_pods_there_is_tls13_and_nothing_readable() {
    let world = meshed();
    let capture = Capture::start(&world.client.namespace, "eth0", world.folder()).unwrap();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut request =
            http::request(version, "POST", &authority(), "/echo?secret-path", SECRETS[0]).unwrap();
        request.headers_mut().insert(SECRETS[1], SECRETS[2].parse().unwrap());
        let reply = world.send(version, request).unwrap();
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, SECRETS[0]));
    }
    let seen = capture.finish().unwrap();
    assert!(has_tls13_server_hello(&seen), "no TLS 1.3 in {} octets", seen.len());
    for word in SECRETS {
        assert!(!contains(&seen, word.as_bytes()), "{word} could be read between the pods");
    }
    assert!(contains(&seen, world.server.identity.as_bytes()), "the server's name was not asked for");
    assert!(!contains(&seen, world.client.identity.as_bytes()), "the client's certificate could be read");
}

#[test]
fn what_is_not_meshed_can_be_read() {
    // The counterpart, without which the test above might be looking at the wrong cable.
    let world = meshed();
    let capture = Capture::start(&world.control, "server", world.folder()).unwrap();
    assert_eq!(world.outsider(Version::HTTP_11, "/echo?secret-path").unwrap().status, 200);
    let seen = capture.finish().unwrap();
    assert!(contains(&seen, b"/echo?secret-path"));
}
