//! Adds the proxy to the objects of a document, or the annotation that asks the injector for it.

use std::{borrow::Cow, collections::BTreeMap};

use mesh_core::names::{
    annotations::{self as names, Scope},
    labels,
};
use mesh_yaml::view::View;
use serde_json::Value;

use crate::{
    Error, Fact, InjectValue, Kind, Mode, Op, Outcome, Overrides, PodFacts, PodTemplate, Pointer, Refusal,
    Resource, Settings, Skip, Token, Warning, Workload, eligibility,
    fill::{Filler, Metadata},
    items,
    overrides::{self, NamedPorts},
    patch::under,
};

/// The longest value of a label.
const MAX_LABEL: usize = 63;

/// What injection makes of a document.
#[derive(Clone, Debug, Default)]
pub struct Injected {
    /// The changes, to be made in this order.
    pub ops: Vec<Op>,
    /// What is to be said, one for each object.
    pub facts: Vec<Fact>,
}

/// Injects into a document: one object, or the items of a `kind: List`.
///
/// An earlier injection must be taken away first ([`crate::uninject()`] with [`crate::Strip::Refresh`]).
pub fn inject<'a, V: View<'a>>(root: V, settings: &Settings, mode: Mode<'_>) -> Result<Injected, Error> {
    let mut injected = Injected::default();
    for (base, item) in items(root)? {
        let (ops, fact) = Injection { settings, mode }.object(item).map_err(|error| error.under(&base))?;
        if base.tokens().is_empty() {
            injected.ops.extend(ops);
        } else {
            injected.ops.extend(ops.into_iter().map(|op| under(op, &base)));
        }
        injected.facts.push(fact);
    }
    Ok(injected)
}

/// One run of injection.
struct Injection<'s> {
    settings: &'s Settings,
    mode: Mode<'s>,
}

impl Injection<'_> {
    fn object<'a, V: View<'a>>(&self, root: V) -> Result<(Vec<Op>, Fact), Error> {
        let Some(workload) = Workload::of(root) else {
            return Ok((Vec::new(), Fact::skipped(None, Skip::MissingKind)));
        };
        let resource = Resource { kind: workload.kind_name.to_lowercase(), name: workload.name.clone() };
        match workload.kind {
            None => Ok((Vec::new(), Fact::skipped(Some(resource), Skip::UnsupportedResource))),
            Some(Kind::Namespace) => self.namespace(&workload, resource),
            Some(Kind::Service) => self.service(&workload, resource),
            Some(_) => self.pod_owner(&workload, resource),
        }
    }

    /// A namespace asks for injection of its pods and passes the flags' annotations on to them.
    fn namespace<'a, V: View<'a>>(
        &self,
        workload: &Workload<V>,
        resource: Resource,
    ) -> Result<(Vec<Op>, Fact), Error> {
        let mut metadata = Metadata::default();
        metadata.annotate(names::INJECT, self.inject_value(workload.root));
        for (name, value) in &self.settings.annotations {
            metadata.annotate(name, value.clone());
        }
        let mut filler = Filler::new(workload.root, self.settings.record);
        filler.metadata(&Pointer::root(), metadata)?;
        let mut fact = Fact::skipped(Some(resource), Skip::UnsupportedResource);
        fact.warnings = overrides::check(workload.root.at(&["metadata", "annotations"]), Scope::Namespace);
        let annotated = self.settings.opaque_ports.is_some();
        fact.outcome = if annotated { Outcome::Annotated } else { Outcome::Injected };
        Ok((filler.finish(), fact))
    }

    /// A Service carries its opaque ports, if the flag names some.
    fn service<'a, V: View<'a>>(
        &self,
        workload: &Workload<V>,
        resource: Resource,
    ) -> Result<(Vec<Op>, Fact), Error> {
        let mut fact = Fact::skipped(Some(resource), Skip::UnsupportedResource);
        let Some(ports) = &self.settings.opaque_ports else { return Ok((Vec::new(), fact)) };
        let mut metadata = Metadata::default();
        metadata.annotate(names::OPAQUE_PORTS, ports.clone());
        let mut filler = Filler::new(workload.root, self.settings.record);
        filler.metadata(&Pointer::root(), metadata)?;
        fact.outcome = Outcome::Annotated;
        Ok((filler.finish(), fact))
    }

    fn pod_owner<'a, V: View<'a>>(
        &self,
        workload: &Workload<V>,
        resource: Resource,
    ) -> Result<(Vec<Op>, Fact), Error> {
        let mut fact = Fact::skipped(Some(resource), Skip::UnsupportedResource);
        let Some(pod) = workload.pod_template()? else { return Ok((Vec::new(), fact)) };
        let component = pod.root.str_at(&["metadata", "labels", labels::CONTROL_PLANE_COMPONENT]);
        if component.is_some() && matches!(self.mode, Mode::Annotate) {
            return Err(Error::ControlPlaneComponent);
        }
        let refusal = Refusal::of(&pod);
        fact.host_network = refusal.host_network;
        fact.sidecar = refusal.sidecar;
        fact.udp = refusal.udp;
        fact.disabled = eligibility::is_disabled(&pod);
        let skip = refusal.skip().or(fact.disabled.then_some(Skip::InjectDisabled));
        if let Some(skip) = skip {
            fact.outcome = Outcome::Skipped(skip);
            return Ok((Vec::new(), fact));
        }
        if self.settings.token == Token::Automounted && eligibility::refuses_token(&pod) {
            return Err(Error::NoToken);
        }
        fact.outcome = Outcome::Injected;
        let mut filler = Filler::new(workload.root, self.settings.record);
        match self.mode {
            Mode::Annotate => fact.warnings = self.annotate(&pod, &mut filler)?,
            Mode::Manual { source } => {
                fact.warnings = self.add_proxy(workload, &pod, component, source, &mut filler)?;
            }
        }
        Ok((filler.finish(), fact))
    }

    fn annotate<'a, V: View<'a>>(
        &self,
        pod: &PodTemplate<V>,
        filler: &mut Filler<V>,
    ) -> Result<Vec<Warning>, Error> {
        let mut metadata = self.flag_annotations();
        metadata.annotate(names::INJECT, self.inject_value(pod.root));
        filler.metadata(&pod.path, metadata)?;
        Ok(overrides::check(pod.root.at(&["metadata", "annotations"]), Scope::Pod))
    }

    fn add_proxy<'a, V: View<'a>>(
        &self,
        workload: &Workload<V>,
        pod: &PodTemplate<V>,
        component: Option<Cow<'a, str>>,
        source: &dyn crate::SidecarSource,
        filler: &mut Filler<V>,
    ) -> Result<Vec<Warning>, Error> {
        let ports = named_ports(pod);
        let (mut overrides, mut warnings) = Overrides::of(pod, self.settings, &ports);
        if self.inject_value(pod.root) == InjectValue::Ingress.as_str() {
            overrides.values.push(crate::Override {
                annotation: names::INJECT,
                path: &["global", "proxy", "isIngress"],
                value: true.into(),
            });
        }
        let values = source.values();
        let traced = overrides.value(values, &["global", "proxy", "trace", "collectorSvcAddr"]);
        let inbound = tcp_ports(pod);
        let facts = PodFacts {
            component: component.map(Cow::into_owned),
            workload: traced
                .and_then(Value::as_str)
                .filter(|it| !it.is_empty())
                .map(|_| workload.name.clone()),
            inbound_ports: inbound.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            debug: overrides.debug,
        };
        let sidecar = source.sidecar(&overrides, &facts)?;
        let mut metadata = self.flag_annotations();
        self.describe(pod, &overrides, values, &inbound, &mut metadata);
        warnings.extend(label_owner(workload, values, &mut metadata));
        filler.metadata(&pod.path, metadata)?;
        filler.prepend(&pod.path, "initContainers", &sidecar.init_containers);
        filler.prepend(&pod.path, "containers", &sidecar.containers);
        filler.append(&pod.path, "containers", sidecar.debug.as_slice());
        filler.append(&pod.path, "volumes", &sidecar.volumes);
        Ok(warnings)
    }

    /// Annotations that say what was added.
    fn describe<'a, V: View<'a>>(
        &self,
        pod: &PodTemplate<V>,
        overrides: &Overrides,
        values: &Value,
        inbound: &[u16],
        metadata: &mut Metadata,
    ) {
        let text = |path: &[&str]| {
            overrides.value(values, path).and_then(Value::as_str).filter(|text| !text.is_empty())
        };
        metadata.annotate(names::CREATED_BY, self.settings.created_by.clone());
        let version = text(&["global", "proxy", "image", "version"]).or(text(&["global", "linkerdVersion"]));
        metadata.annotate(names::PROXY_VERSION_SET, version.unwrap_or_default());
        metadata.annotate(names::IDENTITY_MODE, "default");
        let anchors = text(&["global", "identityTrustAnchorsPEM"]).unwrap_or_default();
        metadata.annotate(names::TRUST_ROOT_SHA256, crate::digest::sha256_hex(anchors.trim().as_bytes()));
        if self.inject_value(pod.root) == InjectValue::Ingress.as_str() {
            metadata.annotate(names::INJECT, InjectValue::Ingress.as_str());
        }
        let own = pod.annotation(names::OPAQUE_PORTS).is_some() || self.settings.opaque_ports.is_some();
        if own {
            return;
        }
        let inherited = self.settings.namespace_annotations.get(names::OPAQUE_PORTS).cloned();
        let ports = inherited.or_else(|| {
            let ranges: mesh_core::port::PortRanges =
                text(&["global", "proxy", "opaquePorts"])?.parse().ok()?;
            let exposed: Vec<String> =
                inbound.iter().filter(|port| ranges.contains(**port)).map(ToString::to_string).collect();
            Some(exposed.join(","))
        });
        if let Some(ports) = ports.filter(|ports| !ports.is_empty()) {
            metadata.derive(names::OPAQUE_PORTS, ports);
        }
    }

    fn flag_annotations(&self) -> Metadata {
        let mut metadata = Metadata::default();
        for (name, value) in self.settings.annotations.iter().chain(&self.settings.pod_annotations) {
            metadata.annotate(name, value.clone());
        }
        metadata
    }

    /// What `linkerd.io/inject` is to be: a workload in ingress mode stays so.
    fn inject_value<'a, V: View<'a>>(&self, root: V) -> &'static str {
        let present = root.str_at(&["metadata", "annotations", names::INJECT]);
        if present.as_deref() == Some(names::INJECT_INGRESS) {
            return InjectValue::Ingress.as_str();
        }
        self.settings.inject.as_str()
    }
}

/// Labels that name the control plane, the namespace and the owner.
fn label_owner<'a, V: View<'a>>(
    workload: &Workload<V>,
    values: &Value,
    metadata: &mut Metadata,
) -> Option<Warning> {
    let namespace = values["global"]["namespace"].as_str().unwrap_or("linkerd");
    metadata.label(labels::CONTROL_PLANE_NS, namespace);
    metadata.label(labels::WORKLOAD_NS, workload.namespace.clone());
    let label = workload.kind.and_then(Kind::owner_label)?;
    if workload.name.len() > MAX_LABEL {
        return Some(Warning::LongName { label, name: workload.name.clone() });
    }
    metadata.label(label, workload.name.clone());
    None
}

/// TCP ports the containers declare, ascending.
fn tcp_ports<'a, V: View<'a>>(pod: &PodTemplate<V>) -> Vec<u16> {
    let mut ports: Vec<u16> = container_ports(pod).map(|(_, port)| port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Names of the containers' TCP ports.
pub(crate) fn named_ports<'a, V: View<'a>>(pod: &PodTemplate<V>) -> NamedPorts {
    let named: BTreeMap<String, u16> =
        container_ports(pod).filter_map(|(name, port)| Some((name?.into_owned(), port))).collect();
    NamedPorts::Known(named)
}

fn container_ports<'a, V: View<'a>>(
    pod: &PodTemplate<V>,
) -> impl Iterator<Item = (Option<Cow<'a, str>>, u16)> + use<'a, V> {
    let containers = pod.containers("containers");
    let ports =
        containers.flat_map(|container| container.get("ports").map(View::items).into_iter().flatten());
    ports.filter_map(|port| {
        let protocol = port.get("protocol").and_then(View::as_str);
        if protocol.is_some_and(|protocol| protocol != "TCP" && !protocol.is_empty()) {
            return None;
        }
        let number = port.get("containerPort").and_then(View::as_i64)?;
        let name = port.get("name").and_then(View::as_str);
        Some((name, u16::try_from(number).ok()?))
    })
}

#[cfg(test)]
mod tests;
