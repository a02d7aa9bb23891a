//! `linkerd identity`: the certificate that a pod's proxy shows.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use mesh_k8s::objects::Selection;
use mesh_k8s::{Client, Resource};
use mesh_pki::Certificate;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::Value;
use tokio_rustls::TlsConnector;

use crate::context::Context;
use crate::error::{CommandError, Outcome};

/// How long one pod may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Display the certificate(s) of one or more selected pod(s)
///
/// Connects to each proxy through the API server and prints the certificate it shows, in PEM and in words. The
/// certificate is not verified here: it is what is looked at.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  linkerd identity -n shop web-5f4d9-x7k2p\n  linkerd identity -n shop -l app=web"
)]
pub struct IdentityArgs {
    /// Names of pods
    #[arg(value_name = "POD")]
    pods: Vec<String>,
    /// Namespace of the pods [default: that of the context]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Label selector of the pods
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "pods")]
    selector: Option<String>,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &IdentityArgs) -> Result<Outcome, CommandError> {
    if args.pods.is_empty() && args.selector.is_none() {
        return Err(CommandError::usage("Provide the pod name argument or use the selector flag"));
    }
    let client = context.client()?;
    let namespace = args.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let pods = context.block_on(select(&client, &namespace, args))??;
    if pods.is_empty() {
        return Err(CommandError::failure(format!("no pods found in namespace {namespace}")));
    }
    for (index, pod) in pods.iter().enumerate() {
        let header = format!("\nPOD {} ({} of {})\n\n", name(pod), index + 1, pods.len());
        context.ui.data(&header)?;
        match context.block_on(chain(&client, &namespace, pod))? {
            Ok(certificates) => context.ui.data(&text(&certificates))?,
            Err(error) => context.ui.data(&format!("Error: {error}\n"))?,
        }
    }
    Ok(Outcome::Success)
}

async fn select(
    client: &Client,
    namespace: &str,
    args: &IdentityArgs,
) -> Result<Vec<Value>, mesh_k8s::Error> {
    if let Some(labels) = &args.selector {
        return client
            .list(&Resource::POD, Selection { namespace: Some(namespace), labels: Some(labels) })
            .await;
    }
    let gets = args.pods.iter().map(|pod| client.get(&Resource::POD, Some(namespace), pod));
    futures::future::try_join_all(gets).await
}

/// The chain that the pod's proxy shows on its port `linkerd-proxy`.
async fn chain(client: &Client, namespace: &str, pod: &Value) -> Result<Vec<Certificate>, CommandError> {
    if pod.pointer("/status/phase").and_then(Value::as_str) != Some("Running") {
        return Err(CommandError::failure(format!("pod not running: {}", name(pod))));
    }
    let (port, identity) = proxy(pod).ok_or_else(|| {
        CommandError::failure(format!("pod {} has no container linkerd-proxy with an identity", name(pod)))
    })?;
    let shown = async {
        let tunnel = client.forward(namespace, name(pod), port).await?;
        let server = ServerName::try_from(identity).map_err(CommandError::failure)?;
        let session = TlsConnector::from(Arc::new(config()?))
            .connect(server, tunnel)
            .await
            .map_err(CommandError::failure)?;
        let certificates = session.get_ref().1.peer_certificates().unwrap_or_default();
        let read =
            |der: &CertificateDer<'_>| Certificate::from_der(der.to_vec()).map_err(CommandError::failure);
        certificates.iter().map(read).collect()
    };
    tokio::time::timeout(PATIENCE, shown)
        .await
        .unwrap_or_else(|_| Err(CommandError::failure(format!("no answer within {}s", PATIENCE.as_secs()))))
}

/// The proxy's inbound port and its identity's name, from its labels and environment.
fn proxy(pod: &Value) -> Option<(u16, String)> {
    let lists = ["/spec/containers", "/spec/initContainers"].into_iter();
    let container = lists
        .filter_map(|list| pod.pointer(list)?.as_array())
        .flatten()
        .find(|container| container["name"] == "linkerd-proxy")?;
    let ports = container.get("ports")?.as_array()?;
    let port = ports.iter().find(|port| port["name"] == "linkerd-proxy")?.get("containerPort")?.as_u64()?;
    let variable = |wanted: &str| {
        let variables = container.get("env")?.as_array()?;
        variables.iter().find(|variable| variable["name"] == wanted)?.get("value")?.as_str()
    };
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str);
    let mut identity = variable("LINKERD2_PROXY_IDENTITY_LOCAL_NAME")?.to_owned();
    // Kubernetes puts these in when the container starts; the pod's description has the names only.
    for (name, value) in [
        ("_pod_sa", text("/spec/serviceAccountName")),
        ("_pod_ns", text("/metadata/namespace")),
        ("_l5d_ns", variable("_l5d_ns")),
        ("_l5d_trustdomain", variable("_l5d_trustdomain")),
    ] {
        identity = identity.replace(&format!("$({name})"), value.unwrap_or_default());
    }
    Some((u16::try_from(port).ok()?, identity))
}

fn text(certificates: &[Certificate]) -> String {
    let mut text = String::new();
    for certificate in certificates {
        let facts = certificate.summary();
        let names: Vec<String> = facts.names.iter().map(ToString::to_string).collect();
        for (label, value) in [
            ("Subject", facts.subject),
            ("Issuer", facts.issuer),
            ("Names", names.join(", ")),
            ("Serial", facts.serial_hex),
            ("Valid from", facts.validity.not_before.to_string()),
            ("Valid until", facts.validity.not_after.to_string()),
            ("Key", facts.key),
            ("SHA-256", facts.sha256),
        ] {
            let _ = writeln!(text, "{:<13}{value}", format!("{label}:"));
        }
        text.push_str(&certificate.to_pem());
        text.push('\n');
    }
    text
}

fn config() -> Result<ClientConfig, CommandError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(Shown(provider.clone()));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(CommandError::failure)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

/// Accepts any certificate: the session ends once it has been shown, and nothing is sent.
#[derive(Debug)]
struct Shown(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn name(pod: &Value) -> &str {
    pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::proxy;

    #[test]
    fn the_identity_is_put_together_as_kubernetes_does() {
        let env = json!([
            {"name": "_l5d_ns", "value": "linkerd"}, {"name": "_l5d_trustdomain", "value": "cluster.local"},
            {"name": "LINKERD2_PROXY_IDENTITY_LOCAL_NAME",
             "value": "$(_pod_sa).$(_pod_ns).serviceaccount.identity.$(_l5d_ns).$(_l5d_trustdomain)"}]);
        let container = json!({"name": "linkerd-proxy", "env": env,
                               "ports": [{"name": "linkerd-proxy", "containerPort": 4143}]});
        let pod = json!({"metadata": {"namespace": "shop"},
                         "spec": {"serviceAccountName": "web", "initContainers": [container]}});
        assert_eq!(
            proxy(&pod),
            Some((4143, "web.shop.serviceaccount.identity.linkerd.cluster.local".to_owned()))
        );
        assert_eq!(proxy(&json!({"spec": {"containers": []}})), None);
    }
}
