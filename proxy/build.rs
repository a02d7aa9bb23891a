//! Options of the link of what is released, which is static.

#![expect(clippy::disallowed_methods, reason = "cargo tells a build script everything by the environment")]

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |variable: &str, word: &str| {
        env::var(variable).is_ok_and(|value| value.split(',').any(|part| part == word))
    };
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_FEATURE", "crt-static") {
        return;
    }
    // Two octets where an address has to be adjusted in place of 24, all of which are read at the start.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    let Some(root) = env::var_os("CARGO_MANIFEST_DIR") else { return };
    let order = Path::new(&root).join("link/order.ld");
    println!("cargo::rerun-if-changed={}", order.display());
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", order.display());
}
