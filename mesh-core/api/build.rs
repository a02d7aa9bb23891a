//! Generates the clients and servers of our own interfaces; needs no other program.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "proto/faults.proto",
        "proto/public.proto",
        "proto/spiffe.proto",
        "proto/tap.proto",
        "proto/trust.proto",
    ];
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
