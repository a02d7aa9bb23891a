//! The kinds that are watched, and how an object of each becomes a record.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer as _};
use serde_json::Value;

use super::{
    AuthorizationPolicy, EgressNetwork, EndpointSlice, Endpoints, ExternalWorkload, Fault, Key,
    MeshTlsAuthentication, Namespace, NetworkAuthentication, Node, Owned, Pod, Profile, RateLimit, Route,
    Server, ServerAuthorization, Service, TrafficSplit, Uid,
};

/// Why an object was skipped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {key} is skipped and its last good version stays in force: {cause}")]
pub struct DecodeError {
    /// The kind, as in manifests.
    pub kind: &'static str,
    /// Which object.
    pub key: Key,
    /// What is wrong with it.
    pub cause: String,
}

/// Where the API serves a kind, and how much of its objects is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Version that is read.
    pub version: &'static str,
    /// Other versions with the same meaning, in manifests.
    pub also: &'static [&'static str],
    /// Kind, as in manifests.
    pub kind: &'static str,
    /// Plural, as in URLs.
    pub plural: &'static str,
    /// Whether its metadata is all that is needed.
    pub metadata_only: bool,
    /// Whether the API server may lack it: definitions are installed later, or never.
    pub optional: bool,
}

/// An object of the version asked for: its place, and a record or why there is none.
pub struct Decoded {
    /// Its place.
    pub key: Key,
    /// Its identity.
    pub uid: Option<Uid>,
    /// The version of the object, to go on from.
    pub resource_version: String,
    /// The record.
    pub record: Result<Record, DecodeError>,
}

macro_rules! kinds {
    ($($name:ident($record:ty) = $group:literal $version:literal [$($also:literal)*] $kind:literal $plural:literal $needed:ident $there:ident, $doc:literal;)*) => {
        /// A watched kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $doc] $name,)*
        }

        /// A reduced object of one of the kinds.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Record {
            $(#[doc = $doc] $name(Arc<$record>),)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Where it is served.
            pub const fn watched(self) -> Watched {
                match self {
                    $(Self::$name => Watched {
                        group: $group, version: $version, also: &[$($also),*], kind: $kind, plural: $plural,
                        metadata_only: needed::$needed, optional: there::$there,
                    },)*
                }
            }

            /// Reads the objects of a page of a list; only a text that is no list at all is an error.
            pub fn decode_list(self, text: &str) -> Result<Page, serde_json::Error> {
                match self {
                    $(Self::$name => decode_list::<$record>(text, self, |mut record: $record| {
                        record.tag(self);
                        Record::$name(Arc::new(record))
                    }),)*
                }
            }

            /// Reads one object.
            pub fn decode(self, object: Value) -> Decoded {
                match self {
                    $(Self::$name => decode::<$record>(object, self, |mut record: $record| {
                        record.tag(self);
                        Record::$name(Arc::new(record))
                    }),)*
                }
            }
        }

        impl Record {
            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$name(_) => Kind::$name,)*
                }
            }

            /// Its place.
            pub fn key(&self) -> &Key {
                match self {
                    $(Self::$name(record) => &record.key,)*
                }
            }
        }
    };
}

mod needed {
    pub(super) const ALL: bool = false;
    pub(super) const METADATA: bool = true;
}

mod there {
    pub(super) const ALWAYS: bool = false;
    pub(super) const MAYBE: bool = true;
}

kinds! {
    Node(Node) = "" "v1" [] "Node" "nodes" METADATA ALWAYS, "Nodes, for their zones.";
    Namespace(Namespace) = "" "v1" [] "Namespace" "namespaces" METADATA ALWAYS, "Namespaces, for their default policy.";
    Service(Service) = "" "v1" [] "Service" "services" ALL ALWAYS, "Services.";
    Pod(Pod) = "" "v1" [] "Pod" "pods" ALL ALWAYS, "Pods.";
    EndpointSlice(EndpointSlice) = "discovery.k8s.io" "v1" [] "EndpointSlice" "endpointslices" ALL ALWAYS, "Endpoints of Services.";
    Endpoints(Endpoints) = "" "v1" [] "Endpoints" "endpoints" ALL ALWAYS, "Endpoints of Services, in place of slices.";
    ReplicaSet(Owned) = "apps" "v1" [] "ReplicaSet" "replicasets" METADATA ALWAYS, "Replica sets, for the Deployment behind.";
    Job(Owned) = "batch" "v1" [] "Job" "jobs" METADATA ALWAYS, "Jobs, for the CronJob behind.";
    ServiceProfile(Profile) = "linkerd.io" "v1alpha2" ["v1alpha1"] "ServiceProfile" "serviceprofiles" ALL MAYBE, "Service profiles.";
    TrafficSplit(TrafficSplit) = "split.smi-spec.io" "v1alpha1" ["v1alpha2"] "TrafficSplit" "trafficsplits" ALL MAYBE, "Traffic splits.";
    ExternalWorkload(ExternalWorkload) = "workload.linkerd.io" "v1beta1" ["v1alpha1"] "ExternalWorkload" "externalworkloads" ALL MAYBE, "Workloads outside the cluster.";
    Server(Server) = "policy.linkerd.io" "v1beta3" ["v1beta2" "v1beta1" "v1alpha1"] "Server" "servers" ALL MAYBE, "Servers.";
    ServerAuthorization(ServerAuthorization) = "policy.linkerd.io" "v1beta1" ["v1alpha1"] "ServerAuthorization" "serverauthorizations" ALL MAYBE, "Server authorizations.";
    AuthorizationPolicy(AuthorizationPolicy) = "policy.linkerd.io" "v1alpha1" [] "AuthorizationPolicy" "authorizationpolicies" ALL MAYBE, "Authorization policies.";
    MeshTlsAuthentication(MeshTlsAuthentication) = "policy.linkerd.io" "v1alpha1" [] "MeshTLSAuthentication" "meshtlsauthentications" ALL MAYBE, "Mesh TLS authentications.";
    NetworkAuthentication(NetworkAuthentication) = "policy.linkerd.io" "v1alpha1" [] "NetworkAuthentication" "networkauthentications" ALL MAYBE, "Network authentications.";
    RateLimit(RateLimit) = "policy.linkerd.io" "v1alpha1" [] "HTTPLocalRateLimitPolicy" "httplocalratelimitpolicies" ALL MAYBE, "Rate limits.";
    EgressNetwork(EgressNetwork) = "policy.linkerd.io" "v1alpha1" [] "EgressNetwork" "egressnetworks" ALL MAYBE, "Destinations outside the cluster.";
    Fault(Fault) = "fault.linkerd.io" "v1alpha1" [] "HTTPFault" "httpfaults" ALL MAYBE, "Delays and resets on purpose.";
    PolicyHttpRoute(Route) = "policy.linkerd.io" "v1beta3" ["v1beta2" "v1beta1" "v1alpha1"] "HTTPRoute" "httproutes" ALL MAYBE, "HTTP routes of the mesh's group.";
    HttpRoute(Route) = "gateway.networking.k8s.io" "v1" ["v1beta1"] "HTTPRoute" "httproutes" ALL MAYBE, "HTTP routes of the Gateway API.";
    GrpcRoute(Route) = "gateway.networking.k8s.io" "v1" ["v1alpha2"] "GRPCRoute" "grpcroutes" ALL MAYBE, "gRPC routes.";
    TlsRoute(Route) = "gateway.networking.k8s.io" "v1" ["v1alpha3" "v1alpha2"] "TLSRoute" "tlsroutes" ALL MAYBE, "TLS routes.";
    TcpRoute(Route) = "gateway.networking.k8s.io" "v1alpha2" ["v1"] "TCPRoute" "tcproutes" ALL MAYBE, "TCP routes.";
}

/// A record that has to know of which kind it is, because several kinds share its type.
pub(super) trait Tagged {
    /// Notes the kind.
    fn tag(&mut self, _kind: Kind) {}
}

macro_rules! untagged {
    ($($record:ident)*) => {
        $(impl Tagged for $record {})*
    };
}

untagged!(Node Namespace Service Pod EndpointSlice Endpoints Owned Profile TrafficSplit ExternalWorkload Server);
untagged!(Fault ServerAuthorization AuthorizationPolicy MeshTlsAuthentication NetworkAuthentication RateLimit EgressNetwork);

/// A page of a list.
pub struct Page {
    /// The objects, with those that were skipped.
    pub objects: Vec<Decoded>,
    /// The version of the list, to watch from.
    pub resource_version: String,
}

/// What of a page has to be known before its objects are: it stands in front of them, where the API server writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageHead {
    /// Where the next page begins; empty after the last.
    pub next: String,
}

#[derive(Deserialize)]
struct List<T> {
    metadata: ListMeta,
    // Written by servers as null when there is none.
    items: Option<Vec<T>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// The metadata of an object whose rest may be unreadable.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    metadata: Identity,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    uid: Option<String>,
    #[serde(default)]
    resource_version: String,
}

impl Kind {
    /// The kind of a manifest, if it is watched.
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self::ALL.iter().copied().find(|known| {
            let watched = known.watched();
            watched.kind == kind
                && watched.group == group
                && (watched.version == version || watched.also.contains(&version))
        })
    }
}

// === impl PageHead ===

impl PageHead {
    /// Reads no further than it has to; none when the text is no list.
    pub fn read(text: &str) -> Option<Self> {
        struct Reader(Option<ListMeta>);
        impl<'de> Visitor<'de> for &mut Reader {
            type Value = ();

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    if name == "metadata" {
                        self.0 = Some(map.next_value()?);
                        // Found: what follows is for somebody else.
                        return Ok(());
                    }
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(())
            }
        }
        let mut reader = Reader(None);
        // It ends with an error where it stops before the end of the list.
        let _ = serde_json::Deserializer::from_str(text).deserialize_map(&mut reader);
        Some(Self { next: reader.0?.next.unwrap_or_default() })
    }
}

/// Reads a list in one go; if an object is unreadable, again one by one, so that one bad object costs itself alone.
fn decode_list<T: DeserializeOwned>(
    text: &str,
    kind: Kind,
    wrap: impl Fn(T) -> Record,
) -> Result<Page, serde_json::Error> {
    let (metadata, objects) = match serde_json::from_str::<List<T>>(text) {
        Ok(list) => {
            let items = list.items.unwrap_or_default().into_iter();
            (list.metadata, items.map(|record| of_record(wrap(record))).collect())
        }
        Err(_) => {
            let list: List<Value> = serde_json::from_str(text)?;
            let items = list.items.unwrap_or_default().into_iter();
            (list.metadata, items.map(|object| decode::<T>(object, kind, &wrap)).collect())
        }
    };
    Ok(Page { objects, resource_version: metadata.resource_version })
}

/// An object of a list: the list has one version for all of them, and replaces whatever was known.
fn of_record(record: Record) -> Decoded {
    Decoded { key: record.key().clone(), uid: None, resource_version: String::new(), record: Ok(record) }
}

/// Reads one object; what cannot be read still has a name.
fn decode<T: DeserializeOwned>(mut object: Value, kind: Kind, wrap: impl Fn(T) -> Record) -> Decoded {
    remove_nulls(&mut object);
    let identity = Envelope::deserialize(&object).map(|envelope| envelope.metadata).unwrap_or_default();
    let record = serde_json::from_value::<T>(object).map(wrap);
    identity.decoded(record.map_err(|error| (kind, error)))
}

impl Identity {
    fn decoded(self, record: Result<Record, (Kind, serde_json::Error)>) -> Decoded {
        let key = Key::new(&self.namespace, &self.name);
        let record = record.map_err(|(kind, error)| DecodeError {
            kind: kind.watched().kind,
            key: key.clone(),
            cause: error.to_string(),
        });
        let uid = self.uid.as_deref().and_then(Uid::parse);
        Decoded { key, uid, resource_version: self.resource_version, record }
    }
}

/// Fields of objects that are written as null are absent.
fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Any JSON, a few levels deep.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z*./:-]{0,12}".prop_map(Value::from),
        ];
        let field = prop_oneof![
            Just("spec".to_owned()),
            Just("rules".to_owned()),
            Just("matches".to_owned()),
            Just("port".to_owned()),
            Just("networks".to_owned()),
            Just("cidr".to_owned()),
            Just("targetRef".to_owned()),
            Just("kind".to_owned()),
            Just("name".to_owned()),
            "[a-zA-Z]{1,8}",
        ];
        leaf.prop_recursive(5, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(field.clone(), inner, 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn malformed_objects_of_every_kind_name_themselves() {
        // Flaw it answers: an object of a definition that could not be read stopped all others of its kind.
        let spec = json!({"port": {}, "ports": 7, "targetRef": [], "routes": "none", "rules": 1, "networks": {},
            "containers": 1, "workloadIPs": "x", "service": {}, "identities": 5, "parentRefs": 3, "clusterIP": []});
        for kind in Kind::ALL {
            if kind.watched().metadata_only {
                continue;
            }
            let object = json!({"metadata": {"name": "bad", "namespace": "shop"}, "spec": spec, "endpoints": 1, "subsets": 1});
            let error = kind.decode(object.clone()).record.unwrap_err().to_string();
            assert!(error.contains(kind.watched().kind) && error.contains("shop/bad"), "{error}");
            // In a list it costs itself alone.
            let page = kind
                .decode_list(&json!({"metadata": {"resourceVersion": "9"}, "items": [object]}).to_string());
            let page = page.unwrap();
            assert_eq!((page.objects.len(), page.resource_version.as_str()), (1, "9"));
            assert!(page.objects[0].record.is_err());
        }
    }

    #[test]
    fn what_no_answer_needs_is_not_kept() {
        // Flaw it answers: whole objects were kept, most of them managed fields and specs that nobody asks for.
        let much = "x".repeat(100_000);
        let bare = json!({
            "metadata": {"name": "web-0", "namespace": "shop", "uid": "1", "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "ports": [{"containerPort": 80}]}], "clusterIP": "10.0.0.1"},
            "status": {"phase": "Running", "podIP": "10.1.0.1"},
            "addressType": "IPv4", "endpoints": [], "ports": [],
        });
        let mut laden = bare.clone();
        laden["metadata"]["managedFields"] = json!([{"manager": "kubelet", "fieldsV1": {"f:x": much}}]);
        laden["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": much});
        laden["metadata"]["resourceVersion"] = json!("77");
        laden["metadata"]["finalizers"] = json!([much]);
        laden["spec"]["volumes"] = json!([{"name": much}]);
        laden["spec"]["containers"][0]["args"] = json!([much]);
        laden["spec"]["containers"][0]["env"] = json!([{"name": "SECRET", "value": much}]);
        laden["status"]["containerStatuses"] = json!([{"image": much}]);
        laden["status"]["images"] = json!([{"names": [much]}]);
        let many = [
            Kind::Pod,
            Kind::Service,
            Kind::EndpointSlice,
            Kind::Node,
            Kind::Namespace,
            Kind::ReplicaSet,
            Kind::Job,
        ];
        for kind in many {
            let (bare, laden) = (kind.decode(bare.clone()).record, kind.decode(laden.clone()).record);
            assert_eq!(laden.unwrap(), bare.unwrap(), "{kind:?}");
        }
    }

    #[test]
    fn the_next_page_is_known_from_the_head_of_one() {
        let next = |text: &str| PageHead::read(text).map(|head| head.next);
        let head = r#"{"kind":"PodList","metadata":{"resourceVersion":"7","continue":"abc"},"items":[{"#;
        assert_eq!(next(head), Some("abc".to_owned()), "what follows is not even looked at");
        assert_eq!(next(r#"{"items":[1],"metadata":{}}"#), Some(String::new()));
        assert_eq!(next(r#"{"items":[]}"#), None);
        assert_eq!(next("7"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_object_is_a_panic(object in any_json(), name in "[a-z]{1,8}") {
            for kind in Kind::ALL {
                let mut whole = json!({"metadata": {"name": name, "namespace": "shop"}, "spec": object});
                prop_assert_eq!(&*kind.decode(whole.clone()).key.name, name.as_str());
                whole["status"] = object.clone();
                whole["metadata"]["labels"] = object.clone();
                let _ = kind.decode(whole);
                let _ = kind.decode(object.clone());
            }
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,200}") {
            for kind in Kind::ALL {
                let _ = kind.decode_list(&text);
            }
        }
    }
}
