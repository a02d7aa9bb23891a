//! Tests of the test clusters themselves.
