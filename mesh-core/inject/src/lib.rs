//! Adds the proxy to a manifest and takes it away.
