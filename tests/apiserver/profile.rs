//! Profiles pass the schema of the API server.

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
