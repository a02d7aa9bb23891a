//! Groups of flags that commands share.

pub mod control;
pub mod output;
pub mod values;
