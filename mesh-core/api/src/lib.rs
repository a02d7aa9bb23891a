//! The gRPC interfaces between the parts of the mesh: the published ones and our own.
//!
//! The published ones (destination, policy, identity, tap) are those of [`linkerd2_proxy_api`]. Ours are in `proto/`:
//! [`trust`] brings the trust anchors to proxies while they run, [`tap`] is what the aggregated tap API is asked,
//! [`faults`] are the delays and resets of HTTPFaults, [`public`] is what the command and the dashboard ask. [`spiffe`] and
//! [`otlp`] are published as well, but by no crate.

pub mod otlp;

pub use linkerd2_proxy_api as published;

/// Modules with what the build script has made of a package of `proto/`.
macro_rules! generated {
    ($($(#[$about:meta])+ $module:ident = $package:tt;)+) => {$(
        $(#[$about])+
        #[allow(
            missing_docs,
            unreachable_pub,
            clippy::all,
            clippy::allow_attributes_without_reason,
            reason = "generated; the .proto file has the words"
        )]
        pub mod $module {
            tonic::include_proto!($package);
        }
    )+};
}

generated! {
    /// The trust anchors of the mesh, live.
    trust = "linkerd.mesh.v1";
    /// Faults that somebody asked for: delays and resets.
    faults = "linkerd.fault.v1";
    /// What the aggregated tap API is asked.
    tap = "linkerd.tap.v1";
    /// The SPIFFE Workload API, as far as a proxy asks it.
    spiffe = "_";
    /// What the command and the dashboard ask.
    public = "linkerd.public.v1";
}
