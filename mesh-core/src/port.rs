//! Ports, port ranges and lists of them.
