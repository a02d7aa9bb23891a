//! Discovery: which endpoints a name has, and what a proxy should know of a target.
//!
//! [`request`] parses what clients send; [`endpoints`] and [`profile`] compute answers from records; [`workload`] is
//! what both know of a pod or external workload at a port; `members` are Services that stand for
//! others, in clusters that [`clusters`] follows; [`encode`] writes addresses so that equal ones are equal
//! bytes. [`server`] serves the streams; [`component`] is the process around it.

pub mod clusters;
pub mod component;
pub mod encode;
pub mod endpoints;
pub mod external;
mod members;
pub mod profile;
pub mod request;
pub mod server;
pub mod workload;
