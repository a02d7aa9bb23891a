//! A cluster that exists already (`KUBECONFIG_E2E`): its server, and users that it certifies itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use super::pki::{User, user_name};
use super::run::{stdout_of, stdout_with_input};

/// Somebody else's cluster, through an administrator's kubeconfig.
pub(super) struct External {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
}

impl External {
    /// The cluster of the current context of `kubeconfig`.
    pub(super) fn new(kubectl: PathBuf, kubeconfig: PathBuf) -> Self {
        Self { kubectl, kubeconfig }
    }

    /// The administrator's kubeconfig.
    pub(super) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The URL of its API server.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read or has no current context.
    pub(super) fn server(&self) -> Result<String> {
        let config = self.view()?;
        let server = config.pointer("/clusters/0/cluster/server").and_then(Value::as_str);
        server.map(str::to_owned).with_context(|| {
            format!("{} names no cluster for its current context", self.kubeconfig.display())
        })
    }

    /// A kubeconfig for another user, whose certificate the cluster signs at our request.
    ///
    /// # Errors
    /// When the administrator may not approve certificate requests, or the cluster signs none within 30 seconds.
    pub(super) fn kubeconfig_for(&self, user: &User<'_>) -> Result<String> {
        let key = KeyPair::generate().context("cannot make a key")?;
        let mut params = CertificateParams::default();
        params.distinguished_name = user_name(user)?;
        let request = params.serialize_request(&key).and_then(|request| request.pem());
        let request = request.context("cannot make a certificate request")?;
        let certificate = self.certify(&request)?;
        let mut config = self.view()?;
        let entry = config.pointer_mut("/users/0/user").context("the kubeconfig names no user")?;
        *entry = json!({
            "client-certificate-data": certificate,
            "client-key-data": BASE64.encode(key.serialize_pem()),
        });
        Ok(config.to_string())
    }

    /// The current context alone, with the contents of the files that the kubeconfig names.
    fn view(&self) -> Result<Value> {
        let args = ["config", "view", "--raw", "--minify", "--flatten", "-o", "json"];
        let text = stdout_of(&mut self.kubectl(&args))?;
        serde_json::from_str(&text).context("kubectl printed an unreadable kubeconfig")
    }

    /// Has the cluster sign a request and returns the certificate, base64 of PEM.
    fn certify(&self, request_pem: &str) -> Result<String> {
        let request = json!({
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"generateName": "linkerd-test-"},
            "spec": {
                "request": BASE64.encode(request_pem),
                "signerName": "kubernetes.io/kube-apiserver-client",
                "usages": ["digital signature", "client auth"],
            },
        });
        let created = stdout_with_input(
            &mut self.kubectl(&["create", "-f", "-", "-o", "jsonpath={.metadata.name}"]),
            &request.to_string(),
        )?;
        stdout_of(&mut self.kubectl(&["certificate", "approve", &created]))?;
        let deadline = Instant::now() + Duration::from_secs(30);
        let certificate = loop {
            let query = ["get", "csr", &created, "-o", "jsonpath={.status.certificate}"];
            let certificate = stdout_of(&mut self.kubectl(&query))?;
            if !certificate.is_empty() {
                break certificate;
            }
            if Instant::now() > deadline {
                bail!("the cluster did not sign certificate request {created} within 30 s");
            }
            sleep(Duration::from_millis(100));
        };
        stdout_of(&mut self.kubectl(&["delete", "csr", &created]))?;
        Ok(certificate)
    }

    fn kubectl(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.env("KUBECONFIG", &self.kubeconfig).args(args);
        command
    }
}
