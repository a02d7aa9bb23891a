//! The linkerd command.
