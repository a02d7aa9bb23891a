//! Reading what a flag names: a file, a directory, a URL, or (`-`) stdin.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::error::{CommandError, Kind};

/// The largest file of values or manifests that is read whole.
pub const LIMIT: u64 = 64 << 20;

/// How many redirects of a URL are followed.
const REDIRECTS: usize = 5;

/// The texts a source holds, each with its name for messages. A directory is read in lexical order, with its
/// subdirectories.
pub fn read(source: &str) -> Result<Vec<(String, String)>, CommandError> {
    if source == "-" {
        return Ok(vec![("stdin".to_owned(), limited(io::stdin(), "stdin")?)]);
    }
    if is_url(source) {
        return Ok(vec![(source.to_owned(), fetch(source)?)]);
    }
    let path = Path::new(source);
    let meta = fs::metadata(path).map_err(|error| unreadable(source, &error))?;
    if !meta.is_dir() {
        return Ok(vec![(source.to_owned(), file(path)?)]);
    }
    let mut texts = Vec::new();
    for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
        let entry = entry.map_err(|error| CommandError::usage(format!("cannot read {source}: {error}")))?;
        if entry.file_type().is_file() {
            texts.push((entry.path().display().to_string(), file(entry.path())?));
        }
    }
    Ok(texts)
}

/// One text: what [`read`] gives for anything but a directory.
pub fn read_one(source: &str) -> Result<String, CommandError> {
    let mut texts = read(source)?;
    match texts.len() {
        1 => Ok(texts.remove(0).1),
        n => Err(CommandError::usage(format!("{source} must be one file, but is a directory of {n}"))),
    }
}

/// True for an absolute URL.
pub fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

fn file(path: &Path) -> Result<String, CommandError> {
    let name = path.display().to_string();
    let file = fs::File::open(path).map_err(|error| unreadable(&name, &error))?;
    limited(file, &name)
}

fn limited(reader: impl Read, name: &str) -> Result<String, CommandError> {
    let mut bytes = Vec::new();
    reader.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|error| unreadable(name, &error))?;
    if bytes.len() as u64 > LIMIT {
        return Err(CommandError::usage(format!("{name} is larger than {} MiB", LIMIT >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| CommandError::usage(format!("{name} is not UTF-8 text")))
}

fn unreadable(name: &str, error: &io::Error) -> CommandError {
    CommandError::usage(format!("cannot read {name}: {error}"))
}

/// The body behind a URL.
pub fn fetch(url: &str) -> Result<String, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bytes = runtime.block_on(async {
        tokio::time::timeout(std::time::Duration::from_secs(60), get(url)).await.unwrap_or_else(|_| {
            Err(CommandError::new(
                Kind::Timeout,
                format!("unable to read URL \"{url}\": no answer within 60s"),
            ))
        })
    })?;
    String::from_utf8(bytes).map_err(|_| CommandError::usage(format!("{url} is not UTF-8 text")))
}

async fn get(url: &str) -> Result<Vec<u8>, CommandError> {
    let failed = |error: &dyn std::fmt::Display| {
        CommandError::failure(format!("unable to read URL \"{url}\": {error}"))
    };
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|error| failed(&error))?
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<_, Empty<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let mut at: http::Uri = url.parse().map_err(|error| failed(&error))?;
    for _ in 0..=REDIRECTS {
        let response = client.get(at.clone()).await.map_err(|error| failed(&error))?;
        let status = response.status();
        if status.is_redirection()
            && let Some(next) = response.headers().get(http::header::LOCATION)
        {
            at = resolve(&at, next.to_str().unwrap_or_default()).map_err(|error| failed(&error))?;
            continue;
        }
        if status != http::StatusCode::OK {
            return Err(CommandError::failure(format!(
                "unable to read URL \"{url}\", server reported {status}, status code={}",
                status.as_u16()
            )));
        }
        let limit = usize::try_from(LIMIT).unwrap_or(usize::MAX);
        let body =
            Limited::new(response.into_body(), limit).collect().await.map_err(|error| failed(&error))?;
        return Ok(body.to_bytes().to_vec());
    }
    Err(failed(&"too many redirects"))
}

/// Where a redirect leads; a plain path stays on the same server.
fn resolve(from: &http::Uri, to: &str) -> Result<http::Uri, http::Error> {
    let to: http::Uri = to.parse()?;
    if to.scheme().is_some() {
        return Ok(to);
    }
    let mut parts = from.clone().into_parts();
    parts.path_and_query = to.into_parts().path_and_query;
    Ok(http::Uri::from_parts(parts)?)
}

#[cfg(test)]
mod tests {
    use super::{read, read_one, resolve};

    #[test]
    fn directories_are_read_in_order_and_missing_files_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("b")).unwrap();
        for (name, text) in [("c.yaml", "3"), ("a.txt", "1"), ("b/x.yml", "2")] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let texts: String =
            read(dir.path().to_str().unwrap()).unwrap().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, "123");
        let error = read("/no/such/file").unwrap_err().to_string();
        assert!(error.starts_with("cannot read /no/such/file: "), "{error}");
        let error = read_one(dir.path().to_str().unwrap()).unwrap_err().to_string();
        assert!(error.ends_with("is a directory of 3"), "{error}");
    }

    #[test]
    fn redirects_keep_the_server_unless_they_name_one() {
        let from = "https://example.org/a?b".parse().unwrap();
        assert_eq!(resolve(&from, "/c").unwrap(), "https://example.org/c");
        assert_eq!(resolve(&from, "http://other/d").unwrap(), "http://other/d");
    }
}
