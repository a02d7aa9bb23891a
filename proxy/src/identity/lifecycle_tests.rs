//! The life of an identity against a scripted service.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use linkerd2_proxy_api::identity::{CertifyRequest, CertifyResponse};
use tonic::Status;

use super::*;
use crate::config::{Control, Dns, Host, HostPort, Identity as Config, Service, StreamLimits, TlsVersion};
use crate::testing::plane::Plane;
use crate::testing::{Ca, now};

const DAY: Duration = Duration::from_secs(86_400);

fn web() -> Id {
    Id::dns("web.prod.serviceaccount.identity.linkerd.cluster.local").unwrap()
}

struct Proxy {
    identity: Identity,
    dir: tempfile::TempDir,
}

impl Proxy {
    fn start(ca: &Ca, plane: &Plane, follow_bundle: bool, clock: fn() -> SystemTime) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let token_file = dir.path().join("token");
        std::fs::write(&token_file, "first\n").unwrap();
        let address = HostPort { host: Host::Addr(plane.addr.ip()), port: plane.addr.port(), absolute: true };
        let config = Config {
            id: web(),
            server_name: web().to_string(),
            anchors: ca.bundle(),
            source: Source::Service {
                service: Service { address, identity: None },
                token_file,
                dir: dir.path().into(),
                follow_bundle,
            },
            min_refresh: Duration::from_secs(1),
            max_refresh: DAY,
            initial_timeout: Duration::from_secs(1),
            min_version: TlsVersion::Tls13,
        };
        let control = Control {
            backoff: Backoff::default(),
            connect_timeout: Duration::from_secs(1),
            streams: StreamLimits::default(),
            dns: Dns::default(),
        };
        let identity = start(
            &config,
            &control,
            &Arc::new(Resolver::new(Dns::default())),
            &ControlCounts::of_test(clock),
        )
        .unwrap();
        Self { identity, dir }
    }

    fn token(&self) -> std::path::PathBuf {
        Path::join(self.dir.path(), "token")
    }

    async fn generation(&mut self, generation: u64) -> Arc<Credentials> {
        let is = |state: &State| state.credentials.as_ref().is_some_and(|it| it.generation() >= generation);
        let state = tokio::time::timeout(Duration::from_secs(20), self.identity.state.wait_for(is));
        state.await.expect("another generation").unwrap().credentials.clone().unwrap()
    }
}

fn certified(ca: &Ca, request: &CertifyRequest, lifetime: Duration) -> Result<CertifyResponse, Status> {
    let leaf_certificate = ca.sign(&request.certificate_signing_request, lifetime);
    Ok(CertifyResponse { leaf_certificate, ..CertifyResponse::default() })
}

#[tokio::test]
async fn a_certificate_is_got_and_renewed_with_the_token_of_the_day() {
    let ca = Ca::new("root");
    let mut plane = Plane::start().await;
    let mut proxy = Proxy::start(&ca, &plane, false, now);
    let (request, answer) = plane.certify().await;
    assert_eq!((request.identity.as_str(), request.token.as_slice()), (web().as_str(), b"first".as_slice()));
    assert!(proxy.identity.state.borrow().credentials.is_none());
    answer.send(certified(&ca, &request, Duration::from_secs(3))).unwrap();
    let first = proxy.generation(1).await;

    std::fs::write(proxy.token(), "second").unwrap();
    let (request, answer) = plane.certify().await;
    assert_eq!(request.token, b"second");
    answer.send(certified(&ca, &request, DAY)).unwrap();
    let second = proxy.generation(2).await;
    assert!(second.leaf().not_after() > first.leaf().not_after());
    let counts = proxy.identity.metrics.snapshot();
    assert_eq!((counts.refreshes_ok, counts.refreshes_error), (2, 0));
    let expires = second.leaf().not_after().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(counts.expires, expires);
    assert!(plane.is_quiet_for(Duration::from_millis(300)).await, "a day is not over");
}

#[tokio::test]
async fn what_peers_would_refuse_is_not_used_and_asked_for_again() {
    let ca = Ca::new("root");
    let mut plane = Plane::start().await;
    let mut proxy = Proxy::start(&ca, &plane, false, now);
    let (_, answer) = plane.certify().await;
    answer.send(Err(Status::permission_denied("token review failed"))).unwrap();
    let began = std::time::Instant::now();
    let (request, answer) = plane.certify().await;
    assert!(began.elapsed() >= Duration::from_millis(900), "no busy loop");
    answer.send(certified(&Ca::new("other"), &request, DAY)).unwrap();
    let (request, answer) = plane.certify().await;
    assert!(proxy.identity.state.borrow().credentials.is_none());
    answer.send(certified(&ca, &request, DAY)).unwrap();
    proxy.generation(1).await;
    let counts = proxy.identity.metrics.snapshot();
    assert_eq!((counts.refreshes_ok, counts.refreshes_error), (1, 2));
}

#[tokio::test]
async fn a_failed_renewal_leaves_the_old_certificate_and_is_tried_again_in_time() {
    let ca = Ca::new("root");
    let mut plane = Plane::start().await;
    let mut proxy = Proxy::start(&ca, &plane, false, now);
    let (request, answer) = plane.certify().await;
    answer.send(certified(&ca, &request, Duration::from_secs(6))).unwrap();
    let first = proxy.generation(1).await;
    let (_, answer) = plane.certify().await;
    answer.send(Err(Status::unavailable("restarting"))).unwrap();
    let (request, answer) = plane.certify().await;
    let still = proxy.identity.state.borrow().credentials.clone().unwrap();
    assert!(Arc::ptr_eq(&still, &first) && first.leaf().not_after() > now(), "in time");
    answer.send(certified(&ca, &request, DAY)).unwrap();
    proxy.generation(2).await;
}

#[tokio::test]
async fn a_jump_of_the_clock_brings_the_renewal_forward() {
    static AHEAD: AtomicI64 = AtomicI64::new(0);
    fn clock() -> SystemTime {
        now() + Duration::from_secs(u64::try_from(AHEAD.load(Ordering::Relaxed)).unwrap())
    }
    let ca = Ca::new("root");
    let mut plane = Plane::start().await;
    let mut proxy = Proxy::start(&ca, &plane, true, clock);
    let bundles = plane.bundle_and_certify(&ca, DAY).await;
    proxy.generation(1).await;
    AHEAD.store(80_000, Ordering::Relaxed);
    // Whatever wakes the task has it look at the clock.
    bundles.send(Ok(bundle_of(&[&ca]))).unwrap();
    let (request, answer) = plane.certify().await;
    answer.send(certified(&ca, &request, DAY + DAY)).unwrap();
    proxy.generation(2).await;
}

#[tokio::test]
async fn a_trust_bundle_is_followed_through_a_whole_rotation() {
    let (old, new) = (Ca::new("old"), Ca::new("new"));
    let mut plane = Plane::start().await;
    let mut proxy = Proxy::start(&old, &plane, true, now);
    let bundles = plane.bundle_and_certify(&old, DAY).await;
    proxy.generation(1).await;

    bundles.send(Ok(bundle_of(&[&old, &new]))).unwrap();
    let both = proxy.generation(2).await;
    assert_eq!(both.trust().bundle().names().len(), 2);
    let peer = Id::dns("db.prod.example").unwrap();
    let stranger = new.credentials(&peer);
    super::tests::handshake(
        both.client_config(&peer, Alpn::None).unwrap(),
        stranger.server_config(Alpn::None),
    )
    .map(drop)
    .expect_err("the stranger does not trust us yet");

    // Nonsense and an empty bundle change nothing.
    let nonsense =
        mesh_api::trust::Bundle { roots_der: vec![b"nonsense".to_vec().into()], id: Default::default() };
    bundles.send(Ok(nonsense)).unwrap();
    bundles.send(Ok(bundle_of(&[]))).unwrap();

    // Without our anchor the leaf is worth nothing: another is asked for at once, and both come into force together.
    bundles.send(Ok(bundle_of(&[&new]))).unwrap();
    let (request, answer) = plane.certify().await;
    assert_eq!(proxy.identity.state.borrow().trust.bundle().names().len(), 2);
    answer.send(certified(&new, &request, DAY)).unwrap();
    let last = proxy.generation(3).await;
    assert_eq!(last.trust().bundle().names(), new.bundle().names());
    super::tests::handshake(
        last.client_config(&peer, Alpn::None).unwrap(),
        stranger.server_config(Alpn::None),
    )
    .unwrap();
    assert_eq!(proxy.identity.metrics.snapshot().bundles_error, 2);
}

#[tokio::test]
async fn a_service_without_the_interface_is_no_failure() {
    let ca = Ca::new("root");
    let mut plane = Plane::start().await;
    let mut proxy = Proxy::start(&ca, &plane, true, now);
    let (request, answer) = plane.certify().await;
    answer.send(certified(&ca, &request, DAY)).unwrap();
    proxy.generation(1).await;
    assert_eq!(proxy.identity.metrics.snapshot().bundles_error, 0);
}

fn bundle_of(authorities: &[&Ca]) -> mesh_api::trust::Bundle {
    let roots = authorities.iter().flat_map(|ca| ca.bundle().certificates().to_vec());
    mesh_api::trust::Bundle {
        roots_der: roots.map(|root| root.der().to_vec().into()).collect(),
        id: Default::default(),
    }
}

impl Plane {
    /// Takes the first two calls in whichever order they come.
    async fn bundle_and_certify(
        &mut self,
        ca: &Ca,
        lifetime: Duration,
    ) -> crate::testing::plane::Speaker<mesh_api::trust::Bundle> {
        use crate::testing::plane::Call;
        let (mut speaker, mut is_certified) = (None, false);
        while speaker.is_none() || !is_certified {
            match self.next().await {
                Call::Bundle(open) => speaker = Some(open.accept()),
                Call::Certify(request, answer) => {
                    answer.send(certified(ca, &request, lifetime)).unwrap();
                    is_certified = true;
                }
                _ => panic!("another call than expected"),
            }
        }
        speaker.unwrap()
    }
}
