//! Which values the schemas refuse, and in which words.

use serde_json::json;

use super::*;

fn messages(values: &Value) -> Vec<String> {
    check(Chart::Control, values).unwrap().iter().map(Problem::to_string).collect()
}

#[test]
fn names_every_problem_with_its_path() {
    let values = json!({
        "controlerReplicas": 3,
        "controllerReplicas": "3",
        "global": {"proxy": {"portz": {}, "uid": true, "ports": {"admin": 70_000}}, "imagePullPolicy": "Sometimes"},
    });
    assert_eq!(
        messages(&values),
        [
            "controlerReplicas: unknown key; did you mean controllerReplicas?",
            "controllerReplicas: must be a whole number, not the text \"3\"",
            "global.proxy.portz: unknown key; did you mean global.proxy.ports?",
            "global.proxy.uid: must be a whole number, not true",
            "global.proxy.ports.admin: must be between 1 and 65535, not the number 70000",
            "global.imagePullPolicy: must be one of \"Always\", \"IfNotPresent\", \"Never\", not the text \"Sometimes\"",
        ]
    );
}

#[test]
fn takes_null_and_free_maps() {
    let values =
        json!({"controllerReplicas": null, "nodeSelector": {"any.thing/x": "y", "kubernetes.io/os": null}});
    assert_eq!(messages(&values), [""; 0]);
}

#[test]
fn the_whole_must_be_a_map() {
    assert_eq!(messages(&json!([1])), ["values: must be a map, not a list"]);
}
