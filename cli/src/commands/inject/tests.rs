//! What `inject` and `uninject` print and refuse, run as commands.

use serde_json::{Value, json};

use super::effective;
use crate::settings::Settings;
use crate::ui::Ui;

const DEPLOYMENT: &str = "\
# kept
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - {name: web, image: 'web:1'}
";

/// Exit code, stdout and stderr of a command line.
fn linkerd(words: &[&str]) -> (u8, String, String) {
    let (out, err) = (Shared::default(), Shared::default());
    let mut ui = Ui::captured(Box::new(out.clone()), Box::new(err.clone()));
    let args = std::iter::once("linkerd").chain(words.iter().copied()).map(Into::into).collect();
    let code = crate::run(args, Settings::default(), &mut ui);
    (code, out.text(), err.text())
}

#[derive(Clone, Default)]
struct Shared(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn a_file_is_annotated_and_reported() {
    let folder = folder(&[("web.yaml", DEPLOYMENT)]);
    let file = folder.path().join("web.yaml").display().to_string();
    let (code, out, err) = linkerd(&["inject", &file]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("# kept\n") && out.contains("linkerd.io/inject: enabled"), "{out}");
    assert_eq!(err, "\ndeployment \"web\" injected\n\n");
    let (_, _, err) = linkerd(&["inject", "--verbose", &file]);
    assert_eq!(
        err,
        "\n√ pods do not use host networking\n\
         √ pods do not have a 3rd party proxy or initContainer already injected\n\
         √ pods are not annotated to disable injection\n\
         √ at least one resource can be injected or annotated\n\
         √ pod specs do not include UDP ports\n\n\
         deployment \"web\" injected\n\n"
    );
}

#[test]
fn directories_get_one_report_or_one_each() {
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n";
    let folder = folder(&[("a.yaml", DEPLOYMENT.trim_end()), ("b.txt", service), ("c.yml", "a: 1\n")]);
    let path = folder.path().display().to_string();
    let (code, out, err) = linkerd(&["inject", "--opaque-ports", "25,3306", &path]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("\n---\napiVersion: v1\nkind: Service\n"), "{out}");
    assert_eq!(
        err,
        "\ndeployment \"web\" injected\nservice \"web\" annotated\ndocument missing \"kind\" field, skipped\n\n"
    );
    let (_, _, err) = linkerd(&["uninject", &path]);
    assert_eq!(
        err,
        "\ndeployment \"web\" skipped\n\n\nservice \"web\" skipped\n\n\ndocument missing \"kind\" field, skipped\n\n"
    );
}

#[test]
fn obstacles_come_first_in_their_order() {
    let pod = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{{spec}, containers: [{{name: a}}]}}\n"
        )
    };
    let text = [
        pod("host", "hostNetwork: true"),
        pod("mesh", "initContainers: [{name: istio-init}]"),
        "---\nkind: Pod\nmetadata: {name: quiet, annotations: {linkerd.io/inject: disabled}}\nspec: {containers: [{name: a, ports: [{containerPort: 1, protocol: UDP}]}]}\n".to_owned(),
        pod("other", "hostNetwork: true"),
    ]
    .concat();
    let folder = folder(&[("x.yaml", &text)]);
    let file = folder.path().join("x.yaml").display().to_string();
    let (code, out, err) = linkerd(&["inject", &file]);
    assert_eq!((code, out), (0, text));
    insta::assert_snapshot!(err, @r#"

    ‼ "hostNetwork: true" detected in pod/host, pod/other
    ‼ known 3rd party sidecar detected in pod/mesh
    ‼ "linkerd.io/inject: disabled" annotation set on pod/quiet
    ‼ no supported objects found
    ‼ pod/quiet uses "protocol: UDP"

    pod "host" skipped
    pod "mesh" skipped
    pod "quiet" skipped
    pod "other" skipped
    "#);
}

#[test]
fn a_bad_document_leaves_nothing_on_stdout() {
    let text = format!("{DEPLOYMENT}---\nkind: Pod\nspec:\n  containers: {{a: b}}\n");
    let folder = folder(&[("a.yaml", DEPLOYMENT), ("b.yaml", &text)]);
    let path = folder.path().display().to_string();
    let (code, out, err) = linkerd(&["inject", &path]);
    assert_eq!((code, out.as_str()), (1, ""));
    let file = folder.path().join("b.yaml").display().to_string();
    assert_eq!(
        err,
        format!(
            "Error transforming resources: {file}: document 2, line 15: spec.containers: expected a list\n"
        )
    );
    let (code, _, err) = linkerd(&["inject"]);
    assert_eq!((code, err.as_str()), (1, "please specify a kubernetes resource file\n"));
}

#[test]
fn manual_needs_anchors_when_the_cluster_is_ignored() {
    let folder = folder(&[("web.yaml", DEPLOYMENT)]);
    let file = folder.path().join("web.yaml").display().to_string();
    let (code, out, err) = linkerd(&["inject", "--manual", "--ignore-cluster", "--disable-identity", &file]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("--disable-identity has no effect"), "{err}");
    assert!(
        err.contains("--identity-trust-anchors-file must be set with --manual --ignore-cluster"),
        "{err}"
    );
}

#[test]
fn json_on_request() {
    let folder = folder(&[("web.yaml", DEPLOYMENT)]);
    let file = folder.path().join("web.yaml").display().to_string();
    let (_, out, _) = linkerd(&["inject", "-o", "json", &file]);
    let value: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["spec"]["template"]["metadata"]["annotations"], json!({"linkerd.io/inject": "enabled"}));
}

#[test]
fn the_cluster_s_configuration_has_to_be_ours() {
    let error = effective(None, None, "mesh").unwrap_err();
    assert!(error.to_string().contains("namespace mesh: ConfigMap linkerd-config not found"));
    let theirs = json!({"data": {"values": "proxy: {image: {name: x}}"}});
    let error = effective(Some(&theirs), None, "mesh").unwrap_err();
    assert!(error.to_string().contains("was not installed by this command"), "{error}");
    let ours = json!({"data": {"values": "global: {proxy: {uid: 7}, identityTrustAnchorsPEM: old}"}});
    let roots = json!({"data": {"ca-bundle.crt": "new"}});
    let values = effective(Some(&ours), Some(&roots), "mesh").unwrap();
    assert_eq!(values, json!({"global": {"proxy": {"uid": 7}, "identityTrustAnchorsPEM": "new"}}));
}
