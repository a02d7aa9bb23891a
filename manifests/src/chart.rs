//! The embedded charts: their files, default values and compiled templates.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use rust_embed::RustEmbed;
use serde_json::Value;

use crate::render::data::{Data, Dict};
use crate::render::{Engine, RenderError};

/// Files of all charts, by `<chart>/<path>`.
#[derive(RustEmbed)]
#[folder = "charts"]
struct Files;

/// A chart that is part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chart {
    /// The custom resource definitions (`linkerd-crds`).
    Crds,
    /// The control plane and its add-ons (`linkerd2`).
    Control,
    /// The CNI plugin (`linkerd2-cni`).
    Cni,
    /// ServiceProfiles of the control plane's own Services (`linkerd2-sp`).
    Profiles,
}

impl Chart {
    /// Every chart, in the order of installation.
    pub const ALL: [Self; 4] = [Self::Crds, Self::Control, Self::Cni, Self::Profiles];

    /// Name of the chart, which is also its folder.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crds => "linkerd-crds",
            Self::Control => "linkerd2",
            Self::Cni => "linkerd2-cni",
            Self::Profiles => "linkerd2-sp",
        }
    }

    /// Text of a file of the chart, by its path within the chart.
    #[must_use]
    pub fn file(self, path: &str) -> Option<Cow<'static, str>> {
        let file = Files::get(&format!("{}/{path}", self.name()))?;
        match file.data {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        }
    }

    /// Paths of the chart's files within the chart, sorted.
    #[must_use]
    pub fn paths(self) -> Vec<String> {
        let prefix = format!("{}/", self.name());
        let mut paths: Vec<String> =
            Files::iter().filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned)).collect();
        paths.sort();
        paths
    }

    /// The chart with its templates compiled, prepared at the first call.
    ///
    /// # Errors
    ///
    /// The first file that does not compile; tests keep this from happening to the embedded charts.
    pub fn package(self) -> Result<&'static Package, RenderError> {
        static PACKAGES: [OnceLock<Result<Package, RenderError>>; Chart::ALL.len()] =
            [const { OnceLock::new() }; Chart::ALL.len()];
        let slot = &PACKAGES[self as usize];
        slot.get_or_init(|| {
            let paths = self.paths();
            Package::new(
                self.name(),
                paths.into_iter().filter_map(|path| self.file(&path).map(|text| (path, text))),
            )
        })
        .as_ref()
        .map_err(Clone::clone)
    }

    /// The chart's `values.yaml`.
    ///
    /// # Errors
    ///
    /// As [`Chart::package`].
    pub fn defaults(self) -> Result<&'static Value, RenderError> {
        self.package().map(|package| &package.defaults)
    }
}

/// What `.Release` and `.Capabilities` tell a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release<'a> {
    /// Name of the release.
    pub name: &'a str,
    /// Namespace it is installed into.
    pub namespace: &'a str,
    /// Version of Kubernetes rendered for, such as `v1.33.0`.
    pub kube_version: &'a str,
}

/// A chart read and compiled.
#[derive(Debug)]
pub struct Package {
    name: String,
    engine: Engine,
    /// `.Chart` of every template.
    metadata: Data,
    /// The chart's `values.yaml`.
    pub defaults: Value,
    /// Paths of the templates that render documents, in the order of the folder.
    documents: Vec<String>,
}

impl Package {
    /// Reads and compiles a chart from its files, given as path within the chart and text.
    ///
    /// # Errors
    ///
    /// The first file that does not parse.
    pub fn new<P: AsRef<str>, T: AsRef<str>>(
        name: &str,
        files: impl IntoIterator<Item = (P, T)>,
    ) -> Result<Self, RenderError> {
        let files: Vec<(P, T)> = files.into_iter().collect();
        let text = |wanted: &str| {
            files.iter().find(|(path, _)| path.as_ref() == wanted).map_or("", |(_, text)| text.as_ref())
        };
        let read = |path: &str| {
            let value =
                mesh_yaml::from_str(text(path)).map_err(|error| invalid(name, path, error.to_string()))?;
            match value {
                Value::Object(_) => Ok(value),
                Value::Null => Ok(Value::Object(serde_json::Map::new())),
                _ => Err(invalid(name, path, "not a map".to_owned())),
            }
        };
        let templates = || files.iter().filter(|(path, _)| is_template(path.as_ref()));
        let engine = Engine::compile(name, templates().map(|(path, text)| (path.as_ref(), text.as_ref())))?;
        let documents = templates().map(|(path, _)| path.as_ref()).filter(|path| renders(path));
        Ok(Self {
            name: name.to_owned(),
            metadata: metadata(&read("Chart.yaml")?),
            defaults: read("values.yaml")?,
            documents: documents.map(str::to_owned).collect(),
            engine,
        })
    }

    /// Name of the chart.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Paths of the templates that render documents.
    #[must_use]
    pub fn documents(&self) -> &[String] {
        &self.documents
    }

    /// The context of every template of one rendering.
    pub(crate) fn context(&self, values: &Value, release: &Release<'_>) -> Context {
        let text = |text: &str| Data::text(text);
        let kube = text(release.kube_version);
        let release = Dict::from([
            ("Name".into(), text(release.name)),
            ("Namespace".into(), text(release.namespace)),
            ("Service".into(), text("Helm")),
            ("IsInstall".into(), Data::Bool(true)),
            ("IsUpgrade".into(), Data::Bool(false)),
            ("Revision".into(), Data::Int(1)),
        ]);
        let capabilities = Dict::from([(
            "KubeVersion".into(),
            Data::map(Dict::from([("Version".into(), kube.clone()), ("GitVersion".into(), kube)])),
        )]);
        Context(Dict::from([
            ("Values".into(), Data::from(values)),
            ("Release".into(), Data::map(release)),
            ("Chart".into(), self.metadata.clone()),
            ("Capabilities".into(), Data::map(capabilities)),
        ]))
    }

    /// Renders one template file.
    pub(crate) fn render_file(&self, path: &str, context: &Context) -> Result<String, RenderError> {
        let template = Dict::from([
            ("Name".into(), Data::text(format!("{}/{path}", self.name))),
            ("BasePath".into(), Data::text(format!("{}/templates", self.name))),
        ]);
        let mut dot = context.0.clone();
        dot.insert("Template".into(), Data::map(template));
        self.engine.render(path, &Data::map(dot))
    }

    /// Renders a named template over a value.
    pub(crate) fn render_named(&self, name: &str, dot: &Data) -> Result<String, RenderError> {
        self.engine.render(name, dot)
    }

    /// An error of what a template rendered, as far as no line of the template is to blame.
    pub(crate) fn fault(&self, template: &str, cause: String) -> RenderError {
        invalid(&self.name, template, cause)
    }
}

/// What templates see as `.`, except the name of the template itself.
#[derive(Clone, Debug)]
pub(crate) struct Context(Dict);

/// Whether a file of a chart is compiled.
fn is_template(path: &str) -> bool {
    path.starts_with("templates/") && !path.ends_with(".helmignore")
}

/// Whether a template renders documents: partials and notes do not.
fn renders(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    !file.starts_with('_') && file != "NOTES.txt"
}

fn invalid(chart: &str, path: &str, cause: String) -> RenderError {
    RenderError { chart: chart.to_owned(), template: path.to_owned(), line: 1, cause, via: Vec::new() }
}

/// `.Chart`: the keys of `Chart.yaml` as Go's structure names them.
fn metadata(file: &Value) -> Data {
    const KEYS: [(&str, &str); 7] = [
        ("apiVersion", "APIVersion"),
        ("appVersion", "AppVersion"),
        ("description", "Description"),
        ("home", "Home"),
        ("name", "Name"),
        ("type", "Type"),
        ("version", "Version"),
    ];
    let text = |key: &str| match file.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    Data::map(KEYS.iter().map(|(key, name)| (Arc::from(*name), Data::text(text(key)))).collect())
}
