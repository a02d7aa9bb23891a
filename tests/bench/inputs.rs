//! What the command is given to work on: made here, the same every time.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::size::Size;

/// Files of one run, in a folder that goes away with it.
pub(crate) struct Inputs {
    /// Deployments, about 1 kB each.
    pub(crate) deployments: PathBuf,
    /// Much more of them.
    pub(crate) stream: PathBuf,
    /// A Swagger 2.0 document.
    pub(crate) swagger: PathBuf,
    /// A trust anchor.
    pub(crate) anchors: PathBuf,
}

impl Inputs {
    /// Writes them to `folder`.
    pub(crate) fn write(folder: &Path, size: &Size) -> Result<Self> {
        let inputs = Self {
            deployments: folder.join("deployments.yaml"),
            stream: folder.join("stream.yaml"),
            swagger: folder.join("swagger.json"),
            anchors: folder.join("anchors.crt"),
        };
        let file = |path: &Path| -> Result<BufWriter<File>> {
            let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
            Ok(BufWriter::new(file))
        };
        deployments(&mut file(&inputs.deployments)?, size.deployments)?;
        deployments(&mut file(&inputs.stream)?, size.stream)?;
        swagger(&mut file(&inputs.swagger)?, size.operations)?;
        std::fs::write(&inputs.anchors, anchor()?)?;
        Ok(inputs)
    }
}

/// Writes `count` documents, each as a person would write it.
pub(crate) fn deployments(to: &mut dyn Write, count: usize) -> io::Result<()> {
    (0..count).try_for_each(|index| deployment(to, index))?;
    to.flush()
}

/// Writes one of them.
pub(crate) fn deployment(to: &mut dyn Write, index: usize) -> io::Result<()> {
    let team = index % 17;
    write!(
        to,
        "---
# Service {index} of team {team}.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: service-{index}
  namespace: team-{team}
  labels: &labels
    app.kubernetes.io/name: service-{index}
    app.kubernetes.io/part-of: team-{team}
spec:
  replicas: 2
  selector:
    matchLabels: {{app.kubernetes.io/name: service-{index}}}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: service-{index}
        app.kubernetes.io/part-of: team-{team}
      annotations:
        prometheus.io/scrape: \"true\"   # scraped every minute
    spec:
      serviceAccountName: service-{index}
      containers:
      - name: server
        image: registry.example.com/team-{team}/service:1.{index}
        args: [\"--listen=:8080\", \"--workers=4\"]
        ports:
        - name: http
          containerPort: 8080
        env:
        - name: GREETING
          value: 'hello, \"{index}\"'
        readinessProbe:
          httpGet: {{path: /ready, port: http}}
        resources:
          requests: {{cpu: 100m, memory: 64Mi}}
        volumeMounts:
        - name: config
          mountPath: /etc/service
      volumes:
      - name: config
        configMap:
          name: service-{index}
"
    )
}

/// Writes a Swagger 2.0 document with `count` operations.
fn swagger(to: &mut dyn Write, count: usize) -> io::Result<()> {
    let words = "A longer text, as generators of such documents like to write it, about what this one does. "
        .repeat(4);
    write!(
        to,
        r##"{{"swagger":"2.0","info":{{"title":"api","version":"1"}},"basePath":"/v1","definitions":{{"##
    )?;
    for index in 0..count / 8 {
        let comma = if index > 0 { "," } else { "" };
        write!(
            to,
            r##"{comma}"Item{index}":{{"type":"object","description":"{words}","properties":{{"id":{{"type":"string"}},"next":{{"$ref":"#/definitions/Item{index}"}}}}}}"##,
        )?;
    }
    write!(to, r##"}},"paths":{{"##)?;
    for index in 0..count / 2 {
        let comma = if index > 0 { "," } else { "" };
        write!(to, r##"{comma}"/group-{}/items-{index}/{{id}}":{{"##, index % 97)?;
        for (method, comma) in [("get", ","), ("put", "")] {
            write!(
                to,
                r##""{method}":{{"operationId":"{method}Item{index}","summary":"{words}","parameters":[{{"name":"id","in":"path","required":true,"type":"string"}},{{"name":"filter","in":"query","type":"string","description":"only those"}}],"responses":{{"200":{{"description":"the item","schema":{{"$ref":"#/definitions/Item{}"}}}},"404":{{"description":"there is none"}},"500":{{"description":"trouble"}}}}}}{comma}"##,
                index % (count / 8)
            )?;
        }
        write!(to, "}}")?;
    }
    writeln!(to, "}}}}")?;
    to.flush()
}

/// A certificate that `inject --manual` accepts as a trust anchor, as PEM.
fn anchor() -> Result<String> {
    let key = rcgen::KeyPair::generate()?;
    let name = "root.linkerd.cluster.local";
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
    Ok(params.self_signed(&key)?.pem())
}
