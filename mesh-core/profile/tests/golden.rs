//! Whole sources against whole outputs: the samples of `tests/profile` and their golden files.

use std::fs;
use std::path::{Path, PathBuf};

use mesh_core::profile::ServiceProfile;
use mesh_profile::proto::{Imported, Imports};
use mesh_profile::{Operations, Target, gateway, openapi, proto, service_profile, template};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/profile")
}

fn target() -> Target {
    Target {
        service: "books".parse().unwrap(),
        namespace: "library".parse().unwrap(),
        cluster_domain: "cluster.local".parse().unwrap(),
    }
}

/// Compares with `tests/profile/golden`, and sees to it that the profile would be admitted.
fn compare(name: &str, read: Operations) {
    let profile = service_profile(&target(), read.operations.clone()).to_value();
    ServiceProfile::from_value(&profile).expect("what is generated validates");
    let routes = gateway::http_routes(&target(), &read.operations).unwrap();
    insta::with_settings!({snapshot_path => samples().join("golden"), prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(name, mesh_yaml::to_string(&profile).unwrap());
        insta::assert_snapshot!(format!("{name}-httproute"), mesh_yaml::to_stream(&routes).unwrap());
        if read.operations.iter().all(|operation| operation.rpc.is_some()) {
            let routes = gateway::grpc_routes(&target(), &read.operations).unwrap();
            insta::assert_snapshot!(format!("{name}-grpcroute"), mesh_yaml::to_stream(&routes).unwrap());
        }
    });
}

/// Reads a sample as it is, and once more as JSON: both must say the same.
fn open_api(name: &str) -> Operations {
    let yaml = fs::read(samples().join(format!("openapi/{name}.yaml"))).unwrap();
    let read = openapi::read("doc", &yaml).unwrap();
    let value = mesh_yaml::from_str(std::str::from_utf8(&yaml).unwrap()).unwrap();
    for json in [serde_json::to_vec(&value).unwrap(), serde_json::to_vec_pretty(&value).unwrap()] {
        assert_eq!(openapi::read("doc", &json).unwrap(), read);
    }
    read
}

#[test]
fn swagger_2_0() {
    compare("library-2.0", open_api("library-2.0"));
}

#[test]
fn open_api_3_0() {
    compare("library-3.0", open_api("library-3.0"));
}

#[test]
fn open_api_3_1() {
    compare("library-3.1", open_api("library-3.1"));
}

struct Folder;

impl Imports for Folder {
    fn load(&mut self, path: &str, _: Option<&str>) -> Result<Option<Imported>, String> {
        let content = fs::read(samples().join("proto").join(path)).ok();
        Ok(content.map(|content| Imported { identity: path.to_owned(), content }))
    }
}

#[test]
fn proto3_with_package_imports_and_streams() {
    let source = fs::read(samples().join("proto/shop/orders.proto")).unwrap();
    let read = proto::read("orders.proto", Some("shop/orders.proto"), &source, &mut Folder).unwrap();
    assert_eq!(read.warnings, Vec::<String>::new());
    compare("orders", read);
}

#[test]
fn proto2_without_package() {
    let source = fs::read(samples().join("proto/plain.proto")).unwrap();
    compare("plain", proto::read("plain.proto", None, &source, &mut Folder).unwrap());
}

#[test]
fn the_template_is_a_valid_profile() {
    let text = template(&target());
    assert!(text.starts_with("### ServiceProfile for books.library ###\n"));
    let profile = ServiceProfile::from_value(&mesh_yaml::from_str(&text).unwrap()).unwrap();
    assert_eq!(profile.name, "books.library.svc.cluster.local");
    let [route] = profile.spec.routes.as_slice() else { panic!("one route") };
    assert_eq!(route.name, "/authors/{id}");
    assert_eq!(route.condition.path_regex.as_deref(), Some(r"/authors/\d+"));
    assert_eq!(route.condition.method.as_deref(), Some("POST"));
    // With every comment opened up that holds a field, it still is one.
    let opened = text.lines().map(|line| match line.trim_start().strip_prefix("# ") {
        Some(rest)
            if [
                "isRetryable:",
                "timeout:",
                "retryBudget:",
                "  retryRatio:",
                "  minRetriesPerSecond:",
                "  ttl:",
            ]
            .iter()
            .any(|field| rest.starts_with(field)) =>
        {
            line.replacen("# ", "", 1)
        }
        _ => line.to_owned(),
    });
    let opened: String = opened.map(|line| line + "\n").collect();
    let profile = ServiceProfile::from_value(&mesh_yaml::from_str(&opened).unwrap()).unwrap();
    assert!(profile.spec.routes[0].is_retryable && profile.spec.routes[0].timeout.is_some());
    assert_eq!(profile.spec.retry_budget.unwrap().min_retries_per_second, 10);
}
