//! The way of an accepted connection from its first octet to HTTP or a tunnel: a decision after each step of the engine.
//!
//! Nothing here touches the engine; a decision is a [`Plan`], and who carries it out looks at policy first.

use std::net::SocketAddr;

use ipnet::IpNet;
use proxy_net::engine::{Detected, Progress, Step};
use proxy_net::transport_header;

use super::settings::Settings;
use crate::model::inbound::{InboundPolicy, Peer, Protocol};

/// Where a connection is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its PROXY header is being read.
    Proxy,
    /// It may begin with TLS.
    Tls,
    /// It waits for the first certificate of this proxy.
    Certificate,
    /// TLS is being negotiated.
    Handshake,
    /// Its transport header is being read.
    Header,
    /// It may be HTTP.
    Http,
    /// The application was dialled, since the client is silent; then it may be what the stage before was about.
    ServerFirst(AfterSilence),
    /// Nothing is asked any more.
    Settled,
}

/// What a client that was silent may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterSilence {
    /// TLS or anything else.
    Tls,
    /// HTTP or anything else, within TLS.
    Http,
}

/// What is known of the TLS of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tls {
    /// It is not looked for, since the port is opaque.
    Skipped,
    /// There is none, or none that asks for us.
    None,
    /// None, on a connection within the pod.
    Loopback,
    /// It asks for somebody else and passes through.
    Passed(Box<str>),
    /// It is the mesh's and ends here.
    Meshed,
}

/// How the port was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// By redirection, or at a listener for one target.
    Redirected,
    /// By a peer that dialled the proxy's own port, and says the rest in a transport header.
    Direct,
}

/// What is known of a connection, and what the decisions rest on.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) stage: Stage,
    pub(crate) reached: Reached,
    /// Who connected.
    pub(crate) from: SocketAddr,
    /// The client: who connected, or who a PROXY header says it is.
    pub(crate) client: SocketAddr,
    /// The application's address, as the client wanted it.
    pub(crate) target: SocketAddr,
    pub(crate) tls: Tls,
    pub(crate) peer: Peer,
}

/// What to do next.
#[derive(Debug)]
pub(crate) enum Plan {
    /// A step of the engine that needs nobody's leave.
    Step(Step),
    /// Terminate TLS, as soon as there is a certificate.
    Terminate,
    /// Pass octets to the application, if policy lets the client in.
    Tunnel,
    /// The client is silent: dial the application, if policy lets the client in; else go on waiting.
    ServerFirst(AfterSilence),
    /// Serve HTTP.
    Serve(Detected),
    /// Go by this header of a peer.
    Header(transport_header::Header),
    /// Close, for this reason.
    Close(&'static str),
}

/// Reasons to close, which are labels of metrics.
pub(crate) mod reason {
    /// The client took too long to begin TLS or anything else.
    pub(crate) const TLS_TIMEOUT: &str = "tls detection timeout";
    /// A peer dialled the proxy's own port without TLS of the mesh, an identity or a transport header.
    pub(crate) const DIRECT: &str = "direct connection without identity or transport header";
    /// There is no certificate yet.
    pub(crate) const NO_CERTIFICATE: &str = "no certificate yet";
    /// The client's certificate names nobody, or has expired.
    pub(crate) const BAD_PEER: &str = "client certificate cannot be used";
    /// The target is not an address of this pod.
    pub(crate) const NOT_OURS: &str = "target address is not allowed";
    /// The target is the proxy itself.
    pub(crate) const LOOP: &str = "connection to the proxy itself";
    /// The client took too long.
    pub(crate) const TIMEOUT: &str = "timeout";
    /// Policy does not let the client in.
    pub(crate) const UNAUTHORIZED: &str = "unauthorized";
    /// Policy let the client in and does no more.
    pub(crate) const REVOKED: &str = "authorization revoked";
    /// No gateway, or not for this name.
    pub(crate) const GATEWAY_DOMAIN: &str = "gateway domain invalid";
    /// A peer of the same identity: the gateway has called itself.
    pub(crate) const GATEWAY_LOOP: &str = "gateway loop";
    /// The engine gave an answer to a question that was not asked.
    pub(crate) const CONFUSED: &str = "unexpected";
}

// === impl Way ===

impl Way {
    /// A connection that was just accepted.
    pub(crate) fn new(settings: &Settings, peer: SocketAddr, target: SocketAddr) -> Self {
        let direct = target.port() == settings.port;
        Self {
            stage: Stage::Settled,
            reached: if direct { Reached::Direct } else { Reached::Redirected },
            from: canonical(peer),
            client: canonical(peer),
            target: canonical(target),
            tls: Tls::None,
            peer: Peer::Plain,
        }
    }

    /// The first decision.
    pub(crate) fn begin(&mut self, settings: &Settings, policy: &InboundPolicy) -> Plan {
        if self.reached == Reached::Direct {
            return self.sniff(settings, false);
        }
        if !settings.allowed_ips.is_empty() && !settings.allowed_ips.contains(&self.target.ip()) {
            return Plan::Close(reason::NOT_OURS);
        }
        if !policy.is_served(self.target.ip()) {
            return Plan::Close(reason::NOT_OURS);
        }
        let is_in = |network: &IpNet| network.contains(&self.client.ip());
        if settings.proxy_protocol.iter().any(is_in) {
            self.stage = Stage::Proxy;
            return Plan::Step(Step::ReadProxyHeader { timeout: settings.detect_timeout });
        }
        self.by_policy(settings, policy)
    }

    /// The decision after an outcome of the last step. `own_name` says whether a server name is ours, `identify` reads a client's
    /// certificate.
    pub(crate) fn next(
        &mut self,
        settings: &Settings,
        policy: &InboundPolicy,
        progress: &Progress<'_>,
        identify: impl FnOnce(&[u8]) -> Option<crate::identity::Id>,
    ) -> Plan {
        match (self.stage, progress) {
            (_, Progress::Failed(reason)) => Plan::Close(reason),
            (Stage::Proxy, Progress::ProxyHeader(client)) => {
                self.client = client.map_or(self.client, canonical);
                self.by_policy(settings, policy)
            }
            (Stage::Tls, Progress::Hello { sni }) => self.hello(settings, policy, *sni),
            (Stage::Tls, Progress::NotTls) => self.not_tls(settings, policy),
            (Stage::Tls, Progress::Silent) => Plan::ServerFirst(AfterSilence::Tls),
            (Stage::Http, Progress::Silent) => Plan::ServerFirst(AfterSilence::Http),
            (Stage::ServerFirst(after), Progress::FirstOctet) => self.keep_waiting(settings, policy, after),
            (Stage::Certificate, Progress::Resumed) => Plan::Terminate,
            (Stage::Certificate, Progress::TimedOut) => Plan::Close(reason::NO_CERTIFICATE),
            (Stage::Handshake, Progress::Secured { alpn, client }) => {
                self.secured(settings, policy, *alpn, client.map(identify))
            }
            (Stage::Header, Progress::Header(header)) => Plan::Header((*header).clone()),
            (Stage::Http, Progress::Protocol(Detected::Opaque)) => Plan::Tunnel,
            (Stage::Http, Progress::Protocol(found)) => Plan::Serve(*found),
            (Stage::Http, Progress::TimedOut) => match policy.protocol {
                Protocol::Http1(_) => Plan::Serve(Detected::Http1),
                _ => Plan::Tunnel,
            },
            (Stage::Tls, Progress::TimedOut) => Plan::Close(reason::TLS_TIMEOUT),
            (_, Progress::TimedOut) => Plan::Close(reason::TIMEOUT),
            _ => Plan::Close(reason::CONFUSED),
        }
    }

    /// Goes on waiting for a client that was silent.
    pub(crate) fn keep_waiting(
        &mut self,
        settings: &Settings,
        policy: &InboundPolicy,
        after: AfterSilence,
    ) -> Plan {
        match after {
            AfterSilence::Tls => self.sniff(settings, false),
            AfterSilence::Http => {
                self.stage = Stage::Http;
                Plan::Step(Step::DetectHttp { timeout: detect_timeout(settings, policy), silence: None })
            }
        }
    }

    /// What a redirected connection begins with, as its port's policy has it.
    fn by_policy(&mut self, settings: &Settings, policy: &InboundPolicy) -> Plan {
        match policy.protocol {
            Protocol::Opaque => {
                self.tls = Tls::Skipped;
                Plan::Tunnel
            }
            Protocol::Detect { .. } => self.sniff(settings, true),
            _ => self.sniff(settings, false),
        }
    }

    fn sniff(&mut self, settings: &Settings, server_may_talk: bool) -> Plan {
        self.stage = Stage::Tls;
        let silence = server_may_talk.then_some(settings.silence);
        Plan::Step(Step::SniffTls { timeout: settings.detect_timeout, silence })
    }

    fn hello(&mut self, settings: &Settings, policy: &InboundPolicy, sni: Option<&str>) -> Plan {
        match sni {
            Some(name) if name == settings.server_name => Plan::Terminate,
            _ if self.reached == Reached::Direct => Plan::Close(reason::DIRECT),
            Some(name) => {
                self.tls = Tls::Passed(name.into());
                Plan::Tunnel
            }
            None => self.not_tls(settings, policy),
        }
    }

    fn not_tls(&mut self, settings: &Settings, policy: &InboundPolicy) -> Plan {
        if self.reached == Reached::Direct {
            return Plan::Close(reason::DIRECT);
        }
        self.tls = if self.client.ip().is_loopback() { Tls::Loopback } else { Tls::None };
        self.after_tls(settings, policy)
    }

    fn secured(
        &mut self,
        settings: &Settings,
        policy: &InboundPolicy,
        alpn: Option<&[u8]>,
        client: Option<Option<crate::identity::Id>>,
    ) -> Plan {
        let id = match client {
            None => None,
            Some(Some(id)) => Some(id),
            Some(None) => return Plan::Close(reason::BAD_PEER),
        };
        self.tls = Tls::Meshed;
        let is_known = id.is_some();
        self.peer = Peer::Meshed(id);
        if self.reached == Reached::Redirected {
            return self.after_tls(settings, policy);
        }
        if !is_known || alpn != Some(transport_header::ALPN) {
            return Plan::Close(reason::DIRECT);
        }
        self.stage = Stage::Header;
        Plan::Step(Step::ReadTransportHeader { timeout: settings.detect_timeout })
    }

    /// What follows once it is known whether there is TLS.
    fn after_tls(&mut self, settings: &Settings, policy: &InboundPolicy) -> Plan {
        let silence = match policy.protocol {
            Protocol::Opaque | Protocol::Tls => return Plan::Tunnel,
            Protocol::Http2(_) | Protocol::Grpc(_) => return Plan::Serve(Detected::Http2),
            // A peer may carry HTTP/1 in HTTP/2.
            Protocol::Http1(_) if self.tls == Tls::Meshed => None,
            Protocol::Http1(_) => return Plan::Serve(Detected::Http1),
            Protocol::Detect { .. } => Some(settings.silence),
        };
        self.stage = Stage::Http;
        Plan::Step(Step::DetectHttp { timeout: detect_timeout(settings, policy), silence })
    }
}

/// The time that a policy gives, or the configuration.
fn detect_timeout(settings: &Settings, policy: &InboundPolicy) -> std::time::Duration {
    match policy.protocol {
        Protocol::Detect { timeout, .. } => timeout,
        _ => settings.detect_timeout,
    }
}

/// IPv4-mapped addresses as IPv4.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

#[cfg(test)]
mod tests;
