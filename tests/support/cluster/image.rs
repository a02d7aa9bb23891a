//! Container images without a registry and without an engine: an OCI layout in a tar file, as containerd imports it.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use aws_lc_rs::digest;
use serde_json::{Value, json};

/// An image of one layer.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// The full name with a tag, such as `localhost/linkerd-tests/web:1`.
    pub name: &'a str,
    /// The files of the layer.
    pub files: &'a [ImageFile<'a>],
    /// The program that a container of the image runs.
    pub entrypoint: &'a [&'a str],
}

/// A file of an image.
#[derive(Clone, Debug)]
pub struct ImageFile<'a> {
    /// Where it is in the image, without a leading slash.
    pub path: &'a str,
    /// What it holds.
    pub bytes: &'a [u8],
    /// Its permission bits.
    pub mode: u32,
    /// Capabilities that the program gets when it is started, by number.
    pub capabilities: &'a [u32],
}

/// `CAP_NET_ADMIN`, see capabilities(7).
pub const NET_ADMIN: u32 = 12;
/// `CAP_NET_RAW`.
pub const NET_RAW: u32 = 13;

/// A blob of a layout, named by its digest.
struct Blob {
    media_type: &'static str,
    digest: String,
    bytes: Vec<u8>,
}

impl Image<'_> {
    /// Writes the image as a tar file, by way of a temporary file beside it.
    ///
    /// The same image gives the same bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let bytes = self.archive().with_context(|| format!("cannot put image {} together", self.name))?;
        let parent = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        let mut file = tempfile::NamedTempFile::new_in(parent).context("cannot create a temporary file")?;
        file.write_all(&bytes).with_context(|| format!("cannot write {}", path.display()))?;
        file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(())
    }

    fn archive(&self) -> Result<Vec<u8>> {
        let layer = Blob::new("application/vnd.oci.image.layer.v1.tar", self.layer()?);
        let config = Blob::json("application/vnd.oci.image.config.v1+json", &self.config(&layer.digest));
        let manifest = Blob::json(
            "application/vnd.oci.image.manifest.v1+json",
            &json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": config.descriptor(),
                "layers": [layer.descriptor()],
            }),
        );
        let mut descriptor = manifest.descriptor();
        descriptor["annotations"] = json!({"io.containerd.image.name": self.name});
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [descriptor],
        });
        let mut archive = tar::Builder::new(Vec::new());
        append(
            &mut archive,
            "oci-layout",
            json!({"imageLayoutVersion": "1.0.0"}).to_string().as_bytes(),
            0o644,
        )?;
        append(&mut archive, "index.json", index.to_string().as_bytes(), 0o644)?;
        for blob in [&layer, &config, &manifest] {
            append(&mut archive, &format!("blobs/sha256/{}", blob.digest), &blob.bytes, 0o644)?;
        }
        Ok(archive.into_inner()?)
    }

    fn layer(&self) -> Result<Vec<u8>> {
        let mut layer = tar::Builder::new(Vec::new());
        for file in self.files {
            if !file.capabilities.is_empty() {
                let value = file_capabilities(file.capabilities);
                layer.append_pax_extensions([("SCHILY.xattr.security.capability", value.as_slice())])?;
            }
            append(&mut layer, file.path, file.bytes, file.mode)?;
        }
        Ok(layer.into_inner()?)
    }

    fn config(&self, layer_digest: &str) -> Value {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": self.entrypoint},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer_digest}")]},
        })
    }
}

impl Blob {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self { media_type, digest: sha256_hex(&bytes), bytes }
    }

    fn json(media_type: &'static str, value: &Value) -> Self {
        Self::new(media_type, value.to_string().into_bytes())
    }

    fn descriptor(&self) -> Value {
        let digest = format!("sha256:{}", self.digest);
        json!({"mediaType": self.media_type, "digest": digest, "size": self.bytes.len()})
    }
}

/// The extended attribute `security.capability`, revision 2: permitted and effective from the start.
fn file_capabilities(numbers: &[u32]) -> Vec<u8> {
    const REVISION_2_EFFECTIVE: u32 = 0x0200_0001;
    let permitted: u64 = numbers.iter().map(|number| 1 << number).sum();
    let (low, high) = ((permitted & u64::from(u32::MAX)) as u32, (permitted >> 32) as u32);
    [REVISION_2_EFFECTIVE, low, 0, high, 0].iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The SHA-256 digest of some bytes, in hexadecimal.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(u64::try_from(bytes.len())?);
    header.set_mode(mode);
    archive.append_data(&mut header, path, bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image<'static> {
        const FILES: &[ImageFile<'_>] = &[ImageFile {
            path: "bin/x",
            bytes: b"program",
            mode: 0o755,
            capabilities: &[NET_ADMIN, NET_RAW],
        }];
        Image { name: "localhost/x:1", files: FILES, entrypoint: &["/bin/x"] }
    }

    #[test]
    fn capabilities_are_those_that_setcap_writes() {
        let expected = [1, 0, 0, 2, 0, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(file_capabilities(&[NET_ADMIN, NET_RAW]), expected);
    }

    #[test]
    fn the_same_image_gives_the_same_bytes() {
        assert_eq!(image().archive().unwrap(), image().archive().unwrap());
    }

    #[test]
    fn every_descriptor_names_a_blob_of_its_size() {
        let archive = image().archive().unwrap();
        let mut files = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            files.insert(path, bytes);
        }
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let bytes = &files[&format!("blobs/sha256/{digest}")];
            assert_eq!(sha256_hex(bytes), digest);
            assert_eq!(descriptor["size"], bytes.len());
            bytes
        };
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let manifest: Value = serde_json::from_slice(blob(&index["manifests"][0])).unwrap();
        let config: Value = serde_json::from_slice(blob(&manifest["config"])).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
        assert!(blob(&manifest["layers"][0]).len() > 512);
    }
}
