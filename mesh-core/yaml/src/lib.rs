//! YAML for Kubernetes: read, write, split streams, and edit text by spans.
