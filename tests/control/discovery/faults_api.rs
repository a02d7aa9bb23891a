//! Faults on purpose: our own kind, over our own interface.

use mesh_api::faults::fault::{Action, Target};
use mesh_api::faults::{WatchRequest, faults_client::FaultsClient};
use serde_json::{Value, json};

use crate::kit::{Messages, World};

fn fault(name: &str, spec: Value) -> Value {
    let mut object = json!({"apiVersion": "fault.linkerd.io/v1alpha1", "kind": "HTTPFault",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"targetRef": {"group": "core", "kind": "Service", "name": "web"}, "percentage": 50,
            "expires": "2035-01-01T00:00:00Z", "headers": [{"name": "X-Test", "value": "yes"}]}});
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

#[tokio::test]
async fn delays_and_resets_are_told_as_they_come_and_go() {
    let world = World::with(&[]).await;
    let mut client = FaultsClient::new(world.channel().await);
    let stream = client.watch(WatchRequest { workload: "shop:web-0".into() }).await.unwrap().into_inner();
    let mut faults = Messages { stream };
    assert!(faults.next().await.faults.is_empty(), "no fault is told at once");
    world.apply(&fault("slow", json!({"delay": "250ms"})));
    let told = faults.next().await.faults;
    assert_eq!(told[0].action, Some(Action::DelayMs(250)));
    assert_eq!((told[0].per_million, told[0].expires), (500_000, 2_051_222_400));
    assert_eq!((&*told[0].headers[0].name, &*told[0].headers[0].value), ("x-test", b"yes".as_slice()));
    assert!(matches!(&told[0].target, Some(Target::Service(service)) if service.name == "web"));
    let route = json!({"group": "policy.linkerd.io", "kind": "HTTPRoute", "name": "reads"});
    world.apply(&fault("torn", json!({"reset": true, "targetRef": route})));
    let told = faults.next().await.faults;
    assert!(matches!(told.iter().find(|it| it.name == "torn").unwrap().action, Some(Action::Reset(_))));
    world.delete(&fault("slow", json!({})));
    assert_eq!(faults.next().await.faults.len(), 1);
}

#[test]
fn faults_that_cannot_be_followed_are_refused_with_the_reason() {
    use mesh_control::policy::admission::judge;
    for (spec, reason) in [
        (json!({}), "exactly one of delay and reset"),
        (json!({"delay": "1s", "reset": true}), "exactly one of delay and reset"),
        (json!({"delay": "2h"}), "not between 0 and an hour"),
        (json!({"reset": true, "percentage": 101}), "above 100"),
        (json!({"reset": true, "expires": "tomorrow"}), "is no time"),
        (json!({"reset": true, "targetRef": {"kind": "Pod", "name": "a"}}), "cannot be a target"),
    ] {
        let judgement = judge("fault.linkerd.io/v1alpha1", "HTTPFault", &fault("f", spec));
        assert!(judgement.problems.len() == 1 && judgement.problems[0].contains(reason), "{judgement:?}");
    }
    assert!(
        judge("fault.linkerd.io/v1alpha1", "HTTPFault", &fault("f", json!({"reset": true})))
            .problems
            .is_empty()
    );
}
