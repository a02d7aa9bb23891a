//! DNS names: labels, subdomains and what Kubernetes accepts as a name.
