//! Groups of flags that commands share.

pub mod output;
