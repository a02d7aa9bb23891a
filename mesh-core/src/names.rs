//! The registry of names of the wire world: labels, annotations, environment variables, ports.
