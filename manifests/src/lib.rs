//! The charts, embedded, and the Helm-compatible renderer of them.
