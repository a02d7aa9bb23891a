//! Reading objects, page by page, and trying writes without doing them.

use futures::TryStreamExt as _;
use kube::api::{Api, DynamicObject, ListParams, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::Value;

use crate::resource::{self, Scope, Served, describe};
use crate::{Client, Error, Resource};

/// Objects a page: what the API server's own client asks for.
const PAGE: u32 = 500;

/// Which objects a list is about.
#[derive(Clone, Debug, Default)]
pub struct Selection<'a> {
    /// One namespace, or all.
    pub namespace: Option<&'a str>,
    /// A label selector, or everything.
    pub labels: Option<&'a str>,
}

/// What a watch tells.
#[derive(Clone, Debug)]
pub enum Change {
    /// An object is new or different.
    Applied(Value),
    /// An object is gone.
    Deleted(Value),
}

impl Client {
    /// Reads one object; `None` when it does not exist.
    pub async fn find(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Value>, Error> {
        match self.get(resource, namespace, name).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads one object.
    pub async fn get(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, Error> {
        let call = match namespace {
            Some(namespace) => format!("get {} {namespace}/{name}", resource.lower_name()),
            None => format!("get {} {name}", resource.lower_name()),
        };
        let api = self.api(&resource.into(), namespace);
        let object = self.call(call.clone(), api.get(name)).await?;
        resource::into_value(object).map_err(|error| Error::Answer { call, cause: error.to_string() })
    }

    /// Lists objects, page by page. Items carry `apiVersion` and `kind`, which the API leaves out of lists.
    pub async fn list(&self, resource: &Resource, selection: Selection<'_>) -> Result<Vec<Value>, Error> {
        let call = match selection.namespace {
            Some(namespace) => format!("list {} in namespace {namespace}", resource.plural),
            None => format!("list {}", resource.plural),
        };
        let api = self.api(&resource.into(), selection.namespace);
        let mut params = ListParams::default().limit(PAGE);
        if let Some(labels) = selection.labels {
            params = params.labels(labels);
        }
        let mut objects = Vec::new();
        loop {
            let page = self.call(call.clone(), api.list(&params)).await?;
            for item in page.items {
                let mut object = resource::into_value(item)
                    .map_err(|error| Error::Answer { call: call.clone(), cause: error.to_string() })?;
                if let Value::Object(fields) = &mut object {
                    fields.insert("apiVersion".into(), resource.api_version().into());
                    fields.insert("kind".into(), resource.kind.into());
                }
                objects.push(object);
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(objects),
            }
        }
    }

    /// Follows the objects of all namespaces that a field selector chooses, until the server ends the watch (after five
    /// minutes at most) or it breaks.
    ///
    /// What is there already comes first, as [`Change::Applied`]; so a caller simply watches again.
    pub async fn watch(
        &self,
        resource: &Resource,
        fields: &str,
        mut each: impl FnMut(Change),
    ) -> Result<(), Error> {
        let call = format!("watch {}", resource.plural);
        let api = self.api(&resource.into(), None);
        let params = WatchParams::default().timeout(290).fields(fields);
        let events = self.call(call.clone(), api.watch(&params, "0")).await?;
        let mut events = std::pin::pin!(events);
        while let Some(event) =
            events.try_next().await.map_err(|error| Error::from_kube(call.clone(), error))?
        {
            let (object, change): (_, fn(Value) -> Change) = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, Change::Applied),
                WatchEvent::Deleted(object) => (object, Change::Deleted),
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(status) => return Err(Error::from_kube(call, kube::Error::Api(status))),
            };
            let object = resource::into_value(object)
                .map_err(|error| Error::Answer { call: call.clone(), cause: error.to_string() })?;
            each(change(object));
        }
        Ok(())
    }

    /// Creates `object`.
    pub async fn create(&self, object: &Value) -> Result<(), Error> {
        let call = format!("create {}", describe(object));
        let (served, dynamic) = self.prepare(&call, object).await?;
        let namespace = dynamic.metadata.namespace.clone();
        let api = self.api(&served, namespace.as_deref());
        self.call(call, api.create(&PostParams::default(), &dynamic)).await.map(drop)
    }

    /// Asks the server to create `object` without doing it (`dryRun=All`).
    pub async fn dry_run_create(&self, object: &Value) -> Result<(), Error> {
        let call = format!("create {}", describe(object));
        let (served, dynamic) = self.prepare(&call, object).await?;
        let namespace = dynamic.metadata.namespace.clone();
        let params = PostParams { dry_run: true, field_manager: Some("linkerd".into()) };
        let api = self.api(&served, namespace.as_deref());
        self.call(call, api.create(&params, &dynamic)).await.map(drop)
    }

    /// Asks the server what `object` would become if applied (server-side, `dryRun=All`, conflicts forced).
    pub async fn dry_run_apply(&self, object: &Value) -> Result<Value, Error> {
        let call = format!("apply {}", describe(object));
        let (served, dynamic) = self.prepare(&call, object).await?;
        let namespace = dynamic.metadata.namespace.clone();
        let name = dynamic.metadata.name.clone().unwrap_or_default();
        let params = PatchParams::apply("linkerd").force().dry_run();
        let api = self.api(&served, namespace.as_deref());
        let merged =
            self.call(call.clone(), api.patch(&name, &params, &kube::api::Patch::Apply(object))).await?;
        resource::into_value(merged).map_err(|error| Error::Answer { call, cause: error.to_string() })
    }

    /// Where the server serves the kind of `object`: from the table here, else from discovery.
    pub async fn served(&self, api_version: &str, kind: &str) -> Result<Served, Error> {
        let known = Resource::ALL
            .iter()
            .find(|resource| resource.kind == kind && resource.api_version() == api_version);
        if let Some(resource) = known {
            return Ok(resource.into());
        }
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let call = format!("look up {kind} in {api_version}");
        let gvk = kube::core::GroupVersionKind::gvk(group, version, kind);
        let found = self.call(call, kube::discovery::pinned_kind(&self.kube, &gvk)).await?;
        let scope = match found.1.scope {
            kube::discovery::Scope::Cluster => Scope::Cluster,
            kube::discovery::Scope::Namespaced => Scope::Namespace,
        };
        Ok(Served { api: found.0, scope })
    }

    fn api(&self, served: &Served, namespace: Option<&str>) -> Api<DynamicObject> {
        match (served.scope, namespace) {
            (Scope::Namespace, Some(namespace)) => {
                Api::namespaced_with(self.kube.clone(), namespace, &served.api)
            }
            _ => Api::all_with(self.kube.clone(), &served.api),
        }
    }

    async fn prepare(&self, call: &str, object: &Value) -> Result<(Served, DynamicObject), Error> {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let served = self.served(text("/apiVersion"), text("/kind")).await?;
        let dynamic = serde_json::from_value(object.clone())
            .map_err(|error| Error::Answer { call: call.to_owned(), cause: error.to_string() })?;
        Ok((served, dynamic))
    }
}
