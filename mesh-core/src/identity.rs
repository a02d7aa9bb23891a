//! Identity names, trust domains and service accounts.
