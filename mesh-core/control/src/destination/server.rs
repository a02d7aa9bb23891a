//! The methods of the destination API, `io.linkerd.proxy.destination.Destination`.

use super::request;
use crate::grpc::{Answers, Method, decode};

/// Every method.
pub const METHODS: &[Method] = &[
    Method {
        path: "/io.linkerd.proxy.destination.Destination/Get",
        read: |message, domain| request::endpoints(&decode(message)?, domain),
        answers: Answers::All,
    },
    Method {
        path: "/io.linkerd.proxy.destination.Destination/GetProfile",
        read: |message, domain| request::profile(&decode(message)?, domain),
        answers: Answers::All,
    },
];
