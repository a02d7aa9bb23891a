//! Configurations of HAProxy, nginx and Envoy as a pair of sidecars: mutual TLS 1.3 between them, everything else as small as possible.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mesh_tests::mesh::{Authority, Start, User, addresses};

use crate::server::{HTTP_PORT, TCP_PORT};
use crate::system::System;
use crate::workload::Mode;

/// Which of the two a proxy is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Outbound,
    Inbound,
}

/// Files that both proxies of a pair share.
pub(crate) struct Files {
    folder: PathBuf,
}

const NAME: &str = "pair.bench.test";

// === impl Files ===

impl Files {
    /// Writes an anchor, and a certificate for both sides.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let authority = Authority::new("bench")?;
        let leaf = authority.leaf(&[NAME], Duration::from_secs(86_400))?;
        let certificate = pem("CERTIFICATE", &leaf.certificate);
        let key = pem("PRIVATE KEY", leaf.key.secret_der());
        for (name, text) in [
            ("ca.pem", authority.pem().to_owned()),
            ("cert.pem", certificate.clone()),
            ("key.pem", key.clone()),
            ("both.pem", format!("{certificate}{key}")),
        ] {
            fs::write(folder.join(name), text).context("cannot write a certificate")?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The process of one side.
    pub(crate) fn start(&self, system: &System, mode: Mode, side: Side) -> Result<Start> {
        let name = format!("{}-{}", system.name(), if side == Side::Inbound { "in" } else { "out" });
        let home = self.folder.join(&name);
        fs::create_dir_all(&home)?;
        let config = home.join("config");
        let file = |name: &str| self.folder.join(name).display().to_string();
        let (text, start) = match system {
            System::Haproxy => {
                let start = Start::new("/usr/sbin/haproxy").args(["-f"]).args([config.as_os_str()]);
                (haproxy(mode, side, &file), start.args(["-db"]))
            }
            System::Nginx => {
                let start = Start::new("/usr/sbin/nginx").args(["-p"]).args([home.as_os_str()]);
                (nginx(side, &file), start.args(["-c"]).args([config.as_os_str()]))
            }
            System::Envoy(binary) => {
                let start = Start::new(binary).args(["--concurrency", "1", "--base-id"]);
                let start = start.args([base_id(mode, side)]).args(["--log-level", "error", "-c"]);
                let named = home.join("config.yaml");
                fs::write(&named, envoy(mode, side, &file)).context("cannot write a configuration")?;
                return Ok(start.args([named.as_os_str()]).user(User::Proxy));
            }
            _ => anyhow::bail!("{} has no configuration", system.name()),
        };
        fs::write(&config, text).context("cannot write a configuration")?;
        // A proxy of its own user writes its files there.
        nix::unistd::chown(&home, Some(nix::unistd::Uid::from_raw(2102)), None)?;
        Ok(start.user(User::Proxy))
    }
}

/// Where a side sends what it takes.
fn target(mode: Mode, side: Side) -> String {
    match (side, mode) {
        (Side::Outbound, _) => format!("{}:4143", addresses::SERVER),
        (Side::Inbound, Mode::Tcp) => format!("{}:{TCP_PORT}", addresses::SERVER),
        (Side::Inbound, _) => format!("{}:{HTTP_PORT}", addresses::SERVER),
    }
}

fn haproxy(mode: Mode, side: Side, file: &impl Fn(&str) -> String) -> String {
    let (both, ca) = (file("both.pem"), file("ca.pem"));
    let kind = if mode == Mode::Tcp { "tcp" } else { "http" };
    let http2 = mode == Mode::Http2;
    let alpn = if http2 { " alpn h2" } else { "" };
    let tls13 = "ssl-min-ver TLSv1.3";
    let (bind, server) = match side {
        Side::Outbound => (
            "127.0.0.1:4140".to_owned(),
            format!(
                "ssl crt {both} ca-file {ca} verify required sni str({NAME}) verifyhost {NAME} {tls13}{alpn}"
            ),
        ),
        Side::Inbound => (
            format!(":4143 ssl crt {both} ca-file {ca} verify required {tls13}{alpn}"),
            if http2 { "proto h2".to_owned() } else { String::new() },
        ),
    };
    let http = if mode == Mode::Tcp { "" } else { "    option http-keep-alive\n    http-reuse always\n" };
    format!(
        "global\n    nbthread 1\n    maxconn 8000\n    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256\n    \
         ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256\n\
         defaults\n    mode {kind}\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n{http}\
         frontend in\n    bind {bind}\n    default_backend out\n\
         backend out\n    server one {} {server}\n",
        target(mode, side)
    )
}

fn nginx(side: Side, file: &impl Fn(&str) -> String) -> String {
    let (cert, key, ca) = (file("cert.pem"), file("key.pem"), file("ca.pem"));
    let target = target(Mode::Http1, side);
    let (listen, scheme, tls) = match side {
        Side::Outbound => (
            "127.0.0.1:4140",
            "https",
            format!(
                "proxy_ssl_certificate {cert}; proxy_ssl_certificate_key {key};\n\
                 proxy_ssl_trusted_certificate {ca}; proxy_ssl_verify on; proxy_ssl_name {NAME};\n\
                 proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse on;\n"
            ),
        ),
        Side::Inbound => (
            "4143 ssl",
            "http",
            format!(
                "ssl_certificate {cert}; ssl_certificate_key {key}; ssl_client_certificate {ca};\n\
                 ssl_verify_client on; ssl_protocols TLSv1.3; ssl_session_cache shared:s:1m;\n"
            ),
        ),
    };
    format!(
        "daemon off; worker_processes 1; pid nginx.pid; error_log stderr error;\n\
         events {{ worker_connections 8192; }}\n\
         http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 60s;\n\
         client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n\
         upstream up {{ server {target}; keepalive 512; keepalive_requests 100000000; }}\n\
         server {{ listen {listen} backlog=4096;\n{tls}\
         location / {{ proxy_pass {scheme}://up; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
         proxy_set_header Host $host; }} }} }}\n"
    )
}

fn envoy(mode: Mode, side: Side, file: &impl Fn(&str) -> String) -> String {
    let (cert, key, ca) = (file("cert.pem"), file("key.pem"), file("ca.pem"));
    let target = target(mode, side);
    let (host, port) = target.split_once(':').unwrap_or_default();
    let common = format!(
        "tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}}, \
         tls_certificates: [{{certificate_chain: {{filename: {cert}}}, private_key: {{filename: {key}}}}}], \
         validation_context: {{trusted_ca: {{filename: {ca}}}}}"
    );
    let alpn = if mode == Mode::Http2 { ", alpn_protocols: [h2]" } else { "" };
    let kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
    let down = format!(
        "      transport_socket: {{name: tls, typed_config: {{'@type': {kind}.DownstreamTlsContext, \
         require_client_certificate: true, common_tls_context: {{{common}{alpn}}}}}}}\n"
    );
    let up = format!(
        "    transport_socket: {{name: tls, typed_config: {{'@type': {kind}.UpstreamTlsContext, sni: {NAME}, \
         common_tls_context: {{{common}{alpn}}}}}}}\n"
    );
    let (listen, listen_port, down, up) = match side {
        Side::Outbound => ("127.0.0.1", 4140, String::new(), up),
        Side::Inbound => ("0.0.0.0", 4143, down, String::new()),
    };
    let filter = if mode == Mode::Tcp {
        "name: tcp, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, \
         stat_prefix: s, cluster: up}"
            .to_owned()
    } else {
        "name: http, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, \
         stat_prefix: s, codec_type: AUTO, generate_request_id: false, \
         http_filters: [{name: router, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}], \
         route_config: {virtual_hosts: [{name: all, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: up, timeout: 0s}}]}]}}"
            .to_owned()
    };
    let protocol = if mode == Mode::Http2 {
        "    typed_extension_protocol_options:\n      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n        \
         '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n        \
         explicit_http_config: {http2_protocol_options: {}}\n"
    } else {
        ""
    };
    let breakers = "max_connections: 100000, max_pending_requests: 100000, max_requests: 100000";
    format!(
        "static_resources:\n  listeners:\n  - address: {{socket_address: {{address: {listen}, port_value: {listen_port}}}}}\n    \
         filter_chains:\n    - filters: [{{{filter}}}]\n{down}  clusters:\n  - name: up\n    type: STATIC\n    connect_timeout: 5s\n    \
         circuit_breakers: {{thresholds: [{{{breakers}}}]}}\n{protocol}{up}    \
         load_assignment: {{cluster_name: up, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: \
         {{address: {host}, port_value: {port}}}}}}}}}]}}]}}\n"
    )
}

/// Envoy shares memory by this number; no two may have the same.
fn base_id(mode: Mode, side: Side) -> String {
    let base = std::process::id() % 10_000 * 10;
    (base + mode as u32 * 2 + side as u32).to_string()
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in BASE64.encode(der).as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}
