//! Trust anchors, issuers and the checks on them; the clock is a parameter.
