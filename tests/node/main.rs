//! Tests on nodes where pods really run (level `node`).
