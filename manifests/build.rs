//! Builds again when a chart gains or loses a file; changed files are tracked by the embedding itself.

fn main() {
    println!("cargo::rerun-if-changed=charts");
    println!("cargo::rerun-if-changed=build.rs");
}
