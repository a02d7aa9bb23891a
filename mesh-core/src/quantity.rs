//! Kubernetes resource quantities: parsed and compared.
