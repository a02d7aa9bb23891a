//! Any OpenAPI document ends in an error, or in routes that a valid profile is made of.
#![no_main]

use mesh_core::profile::ServiceProfile;
use mesh_profile::{Target, openapi, service_profile};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = openapi::read("input", bytes) else { return };
    let name = |text: &str| text.parse().expect("a DNS label");
    let target = Target {
        service: name("books"),
        namespace: "library".parse().expect("a DNS label"),
        cluster_domain: "cluster.local".parse().expect("a DNS name"),
    };
    let profile = service_profile(&target, read.operations);
    let value = profile.to_value();
    assert_eq!(ServiceProfile::from_value(&value).as_ref(), Ok(&profile), "{value}");
});
