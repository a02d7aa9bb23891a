//! The methods of the policy APIs: `InboundServerPolicies`, `OutboundPolicies` and our own `Faults`.

use mesh_api::faults::WatchRequest;

use super::request;
use crate::grpc::{Answers, Method, decode};
use crate::index::Request;

/// Every method.
pub const METHODS: &[Method] = &[
    Method {
        path: "/io.linkerd.proxy.inbound.InboundServerPolicies/GetPort",
        read: |message, _| request::port(&decode(message)?),
        answers: Answers::One,
    },
    Method {
        path: "/io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort",
        read: |message, _| request::port(&decode(message)?),
        answers: Answers::All,
    },
    Method {
        path: "/io.linkerd.proxy.outbound.OutboundPolicies/Get",
        read: |message, domain| request::traffic(&decode(message)?, domain),
        answers: Answers::One,
    },
    Method {
        path: "/io.linkerd.proxy.outbound.OutboundPolicies/Watch",
        read: |message, domain| request::traffic(&decode(message)?, domain),
        answers: Answers::All,
    },
    Method {
        path: "/linkerd.fault.v1.Faults/Watch",
        read: |message, _| decode::<WatchRequest>(message).map(|_| Request::Faults),
        answers: Answers::All,
    },
];
