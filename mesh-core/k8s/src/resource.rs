//! The kinds this project reads and writes, and where the API serves them.

use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

/// One kind, as the API serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Version within the group.
    pub version: &'static str,
    /// Kind, as in manifests.
    pub kind: &'static str,
    /// Plural, as in URLs and RBAC rules.
    pub plural: &'static str,
    /// Whether objects live in a namespace.
    pub scope: Scope,
}

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the cluster as a whole.
    Cluster,
    /// In a namespace.
    Namespace,
}

macro_rules! resources {
    ($($name:ident = $group:literal $version:literal $kind:literal $plural:literal $scope:ident, $doc:literal;)*) => {
        impl Resource {
            $(#[doc = $doc]
            pub const $name: Self = Self {
                group: $group, version: $version, kind: $kind, plural: $plural, scope: Scope::$scope,
            };)*

            /// Every kind known here.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

resources! {
    NAMESPACE = "" "v1" "Namespace" "namespaces" Cluster, "Namespaces.";
    NODE = "" "v1" "Node" "nodes" Cluster, "Nodes.";
    POD = "" "v1" "Pod" "pods" Namespace, "Pods.";
    SERVICE = "" "v1" "Service" "services" Namespace, "Services.";
    SERVICE_ACCOUNT = "" "v1" "ServiceAccount" "serviceaccounts" Namespace, "Service accounts.";
    CONFIG_MAP = "" "v1" "ConfigMap" "configmaps" Namespace, "Config maps.";
    SECRET = "" "v1" "Secret" "secrets" Namespace, "Secrets.";
    REPLICATION_CONTROLLER = "" "v1" "ReplicationController" "replicationcontrollers" Namespace, "Replication controllers.";
    DEPLOYMENT = "apps" "v1" "Deployment" "deployments" Namespace, "Deployments.";
    REPLICA_SET = "apps" "v1" "ReplicaSet" "replicasets" Namespace, "Replica sets.";
    STATEFUL_SET = "apps" "v1" "StatefulSet" "statefulsets" Namespace, "Stateful sets.";
    DAEMON_SET = "apps" "v1" "DaemonSet" "daemonsets" Namespace, "Daemon sets.";
    JOB = "batch" "v1" "Job" "jobs" Namespace, "Jobs.";
    CRON_JOB = "batch" "v1" "CronJob" "cronjobs" Namespace, "Cron jobs.";
    POD_DISRUPTION_BUDGET = "policy" "v1" "PodDisruptionBudget" "poddisruptionbudgets" Namespace, "Disruption budgets.";
    ROLE = "rbac.authorization.k8s.io" "v1" "Role" "roles" Namespace, "Roles.";
    ROLE_BINDING = "rbac.authorization.k8s.io" "v1" "RoleBinding" "rolebindings" Namespace, "Role bindings.";
    CLUSTER_ROLE = "rbac.authorization.k8s.io" "v1" "ClusterRole" "clusterroles" Cluster, "Cluster roles.";
    CLUSTER_ROLE_BINDING = "rbac.authorization.k8s.io" "v1" "ClusterRoleBinding" "clusterrolebindings" Cluster, "Cluster role bindings.";
    CUSTOM_RESOURCE_DEFINITION = "apiextensions.k8s.io" "v1" "CustomResourceDefinition" "customresourcedefinitions" Cluster, "Custom resource definitions.";
    MUTATING_WEBHOOK = "admissionregistration.k8s.io" "v1" "MutatingWebhookConfiguration" "mutatingwebhookconfigurations" Cluster, "Mutating webhooks.";
    VALIDATING_WEBHOOK = "admissionregistration.k8s.io" "v1" "ValidatingWebhookConfiguration" "validatingwebhookconfigurations" Cluster, "Validating webhooks.";
    API_SERVICE = "apiregistration.k8s.io" "v1" "APIService" "apiservices" Cluster, "Aggregated APIs.";
    LEASE = "coordination.k8s.io" "v1" "Lease" "leases" Namespace, "Leases.";
    SERVICE_PROFILE = "linkerd.io" "v1alpha2" "ServiceProfile" "serviceprofiles" Namespace, "Service profiles.";
    SERVER = "policy.linkerd.io" "v1beta3" "Server" "servers" Namespace, "Servers.";
    SERVER_AUTHORIZATION = "policy.linkerd.io" "v1beta1" "ServerAuthorization" "serverauthorizations" Namespace, "Server authorizations.";
    AUTHORIZATION_POLICY = "policy.linkerd.io" "v1alpha1" "AuthorizationPolicy" "authorizationpolicies" Namespace, "Authorization policies.";
    MESH_TLS_AUTHENTICATION = "policy.linkerd.io" "v1alpha1" "MeshTLSAuthentication" "meshtlsauthentications" Namespace, "Mesh TLS authentications.";
    NETWORK_AUTHENTICATION = "policy.linkerd.io" "v1alpha1" "NetworkAuthentication" "networkauthentications" Namespace, "Network authentications.";
    HTTP_ROUTE = "policy.linkerd.io" "v1beta3" "HTTPRoute" "httproutes" Namespace, "HTTP routes of the policy group.";
}

impl Resource {
    /// The resource of a kind, if it is one known here.
    pub fn of_kind(kind: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|resource| resource.kind == kind)
    }

    /// `group/version`, or the bare version in the core group: what `apiVersion` says.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `kind.group` in lower case, as kubectl names objects.
    pub fn lower_name(&self) -> String {
        let kind = self.kind.to_lowercase();
        if self.group.is_empty() { kind } else { format!("{kind}.{}", self.group) }
    }

    pub(crate) fn api_resource(&self) -> ApiResource {
        ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(self.group, self.version, self.kind),
            self.plural,
        )
    }
}

/// Where an object named by `apiVersion` and `kind` alone is served; asks the server for kinds not known here.
#[derive(Clone, Debug)]
pub struct Served {
    pub(crate) api: ApiResource,
    /// Whether it lives in a namespace.
    pub scope: Scope,
}

impl From<&Resource> for Served {
    fn from(resource: &Resource) -> Self {
        Self { api: resource.api_resource(), scope: resource.scope }
    }
}

/// What identifies an object in messages: `Kind namespace/name`.
pub fn describe(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
    let kind = text("/kind").unwrap_or("object");
    let name = text("/metadata/name").or(text("/metadata/generateName")).unwrap_or("(no name)");
    match text("/metadata/namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

pub(crate) fn into_value(object: DynamicObject) -> Result<Value, serde_json::Error> {
    serde_json::to_value(object)
}
