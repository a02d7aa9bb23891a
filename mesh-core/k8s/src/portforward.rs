//! A byte stream to a port of a pod, through the API server.

use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Client, Error};

/// A stream to a pod. Dropping it closes the tunnel.
pub trait Tunnel: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Tunnel for T {}

impl Client {
    /// Opens a stream to `port` of a pod.
    pub async fn forward(&self, namespace: &str, pod: &str, port: u16) -> Result<Box<dyn Tunnel>, Error> {
        let call = format!("forward to port {port} of pod {namespace}/{pod}");
        let pods: Api<Pod> = Api::namespaced(self.kube.clone(), namespace);
        let mut forwarder = self.call(call.clone(), pods.portforward(pod, &[port])).await?;
        let stream = forwarder.take_stream(port);
        stream
            .map(|stream| Box::new(stream) as Box<dyn Tunnel>)
            .ok_or(Error::Answer { call, cause: "the API server opened no stream".into() })
    }
}
