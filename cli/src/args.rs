//! Groups of flags that commands share.

pub mod control;
pub mod identity;
pub mod output;
pub mod values;
