//! Packs one static binary as an image from scratch: `pack-image --name NAME --binary FILE --out FILE [--net-admin]`.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use mesh_tests::cluster::image::{Image, ImageFile, NET_ADMIN, NET_RAW};

fn main() -> Result<()> {
    let (mut name, mut binary, mut out, mut capabilities) = (None, None, None, &[][..]);
    let mut args = std::env::args().skip(1);
    while let Some(option) = args.next() {
        if option == "--net-admin" {
            capabilities = &[NET_ADMIN, NET_RAW];
            continue;
        }
        let value = args.next().with_context(|| format!("{option} wants a value"))?;
        match option.as_str() {
            "--name" => name = Some(value),
            "--binary" => binary = Some(PathBuf::from(value)),
            "--out" => out = Some(PathBuf::from(value)),
            _ => bail!("there is no option {option}: --name, --binary, --out and --net-admin are"),
        }
    }
    let (name, binary, out) = (
        name.context("--name is missing")?,
        binary.context("--binary is missing")?,
        out.context("--out is missing")?,
    );
    let bytes = fs::read(&binary).with_context(|| format!("cannot read {}", binary.display()))?;
    let program = binary.file_name().and_then(|name| name.to_str()).context("--binary names no file")?;
    let files = [ImageFile { path: program, bytes: &bytes, mode: 0o755, capabilities }];
    Image { name: &name, files: &files, entrypoint: &[&format!("/{program}")] }.write(&out)?;
    println!("{} ({:.1} MB) holds {name}", out.display(), bytes.len() as f64 / 1e6);
    Ok(())
}
