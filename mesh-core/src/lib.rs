//! The vocabulary of the mesh. Pure: no IO, no clock, no environment.
