//! Validation of ServiceProfiles as the API server asks for it.

use crate::kit::{ADDRESS, Process, eventually, free_port, lab};

fn profile(name: &str, namespace: &str, routes: &str) -> String {
    format!(
        "apiVersion: linkerd.io/v1alpha2\nkind: ServiceProfile\nmetadata:\n  name: {name}\n  namespace: {namespace}\n\
         spec:\n  routes:\n{routes}"
    )
}

#[test]
fn a_profile_that_proxies_could_not_follow_is_refused_with_its_reasons() {
    let lab = lab();
    let port = free_port();
    let args = [
        format!("--webhook-addr={ADDRESS}:{port}"),
        "--tls-secret=linkerd-sp-validator-tls".to_owned(),
        "--webhook-config=linkerd-sp-validator-webhook-config".to_owned(),
    ];
    let process = Process::start(lab, "sp-validator", "linkerd-sp-validator", &args).ready();
    lab.serve("linkerd-sp-validator", port);
    let namespace = lab.namespace("profiles");
    let name = format!("web.{namespace}.svc.cluster.local");
    // The schema of the definition lets this pass: a regular expression is only a string there.
    let bad = profile(&name, &namespace, "  - name: a\n    condition:\n      pathRegex: '/a('\n");
    let said = eventually("the webhook to be asked", || lab.try_create(&bad).err());
    assert!(
        said.contains("linkerd-sp-validator.linkerd.io") && said.contains("spec.routes[0].condition"),
        "{said}"
    );
    let good =
        profile(&name, &namespace, "  - name: a\n    condition:\n      method: GET\n      pathRegex: '/a'\n");
    lab.try_create(&good).unwrap();
    let reviews = "admission_reviews_total{kind=\"ServiceProfile\",operation=\"CREATE\",outcome=\"";
    assert!(process.metric(&format!("{reviews}invalid")).unwrap() >= 1.0);
    assert_eq!(process.metric(&format!("{reviews}valid")), Some(1.0));
    assert_eq!(process.terminate(), Some(0));
}
