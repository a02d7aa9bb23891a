//! Profiles pass the schema of the API server.

use mesh_tests::cluster::stdout_of;
use mesh_tests::gateway_api::{self, Channel};

use crate::kit::{apply, linkerd, live, namespace, tests_dir, workloads};

#[test]
fn profiles_from_every_source_are_accepted() {
    let cluster = workloads();
    namespace(cluster, "profiles");
    let sources = [
        ("blank", vec!["--template".to_owned()]),
        ("swagger", vec!["--open-api".to_owned(), "openapi/library-2.0.yaml".to_owned()]),
        ("openapi-30", vec!["--open-api".to_owned(), "openapi/library-3.0.yaml".to_owned()]),
        ("openapi-31", vec!["--open-api".to_owned(), "openapi/library-3.1.yaml".to_owned()]),
        ("plain", vec!["--proto".to_owned(), "proto/plain.proto".to_owned()]),
    ];
    for (service, mut source) in sources {
        if let Some(file) = source.get_mut(1) {
            *file = tests_dir().join("profile").join(&*file).display().to_string();
        }
        let mut args = ["profile", service, "-n", "profiles", "--ignore-cluster"].map(str::to_owned).to_vec();
        args.extend(source);
        let profile = linkerd(cluster, &args).ok();
        let said = apply(cluster, &profile);
        let name = format!("{service}.profiles.svc.cluster.local");
        assert_eq!(said, format!("serviceprofile.linkerd.io/{name} created\n"));
        assert!(apply(cluster, &profile).ends_with(" unchanged\n"));
        let found = live(cluster, "profiles", "serviceprofile", &name);
        assert!(!found["spec"]["routes"].as_array().unwrap().is_empty(), "{found}");
    }
}

#[test]
fn routes_meet_the_schema_of_the_gateway_api() {
    let cluster = workloads();
    for kind in ["httproutes", "grpcroutes"] {
        let file = gateway_api::definition(Channel::Standard, kind).unwrap();
        // Their descriptions are too long for the annotation that a plain apply keeps.
        let text = file.to_str().unwrap();
        stdout_of(&mut cluster.kubectl(["apply", "--server-side", "-f", text])).unwrap();
    }
    cluster.wait_for_definitions().unwrap();
    namespace(cluster, "routes");
    for (flag, file, format) in [
        ("--open-api", "openapi/library-2.0.yaml", "httproute"),
        ("--open-api", "openapi/library-3.0.yaml", "httproute"),
        ("--open-api", "openapi/library-3.1.yaml", "httproute"),
        ("--proto", "proto/plain.proto", "httproute"),
        ("--proto", "proto/plain.proto", "grpcroute"),
    ] {
        let file = tests_dir().join("profile").join(file);
        let args = ["profile", "library", "-n", "routes", "--ignore-cluster", flag, file.to_str().unwrap()];
        let route = linkerd(cluster, [&args[..], &["--format", format]].concat()).ok();
        let said = apply(cluster, &route);
        assert!(said.contains(&format!("{format}.gateway.networking.k8s.io/library")), "{said}");
        assert!(apply(cluster, &route).lines().all(|line| line.ends_with(" unchanged")));
    }
}
