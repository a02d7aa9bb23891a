//! Groups of flags that commands share.

pub mod control;
pub mod duration;
pub mod identity;
pub mod output;
pub mod proxy;
pub mod resource;
pub mod values;
