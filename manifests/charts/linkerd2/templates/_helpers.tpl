{{- /*
Small templates that every object of the control plane uses. Each takes one dict. `Values` in it is the whole
tree of values; the other keys are named above each template. Templates that print several lines print them
unindented: use `include … | nindent N`.
*/ -}}

{{- /* Trust domain of every identity. Values. */ -}}
{{- define "linkerd.trustDomain" -}}
{{- .Values.global.identityTrustDomain | default .Values.global.clusterDomain -}}
{{- end -}}

{{- /* Name under which a Service of the control plane is reached. Values, service. */ -}}
{{- define "linkerd.serviceName" -}}
{{- printf "%s.%s.svc.%s" .service .Values.global.namespace .Values.global.clusterDomain -}}
{{- end -}}

{{- /* Identity of a ServiceAccount of the control plane. Values, account. */ -}}
{{- define "linkerd.identityName" -}}
{{- printf "%s.%s.serviceaccount.identity.%s.%s" .account .Values.global.namespace .Values.global.namespace (include "linkerd.trustDomain" (dict "Values" .Values)) -}}
{{- end -}}

{{- /* Name of a cluster-scoped RBAC object. Values, name. */ -}}
{{- define "linkerd.clusterName" -}}
{{- printf "linkerd-%s-%s" .Values.global.namespace .name -}}
{{- end -}}

{{- /*
Image reference. Values, image (name, version, pullPolicy; all may be empty), short (last part of the name
under the project's registry).
*/ -}}
{{- define "linkerd.image" -}}
{{- $image := .image | default dict -}}
{{- $name := $image.name | default (printf "%s/%s" .Values.global.registry .short) -}}
{{- printf "%s:%s" $name ($image.version | default .Values.global.linkerdVersion) -}}
{{- end -}}

{{- /* imagePullPolicy. Values, image. */ -}}
{{- define "linkerd.pullPolicy" -}}
{{- $image := .image | default dict -}}
{{- $image.pullPolicy | default .Values.global.imagePullPolicy -}}
{{- end -}}

{{- /* `image:` and `imagePullPolicy:` of the control plane's processes. Values. */ -}}
{{- define "linkerd.controllerImage" -}}
{{- $image := dict "name" .Values.controllerImage "version" .Values.controllerImageVersion -}}
image: {{ include "linkerd.image" (dict "Values" .Values "image" $image "short" "controller") }}
imagePullPolicy: {{ .Values.global.imagePullPolicy }}
{{- end -}}

{{- /* URL of the Prometheus to query, empty when there is none. Values. */ -}}
{{- define "linkerd.prometheusUrl" -}}
{{- if .Values.global.prometheusUrl -}}
{{- .Values.global.prometheusUrl -}}
{{- else if (.Values.prometheus | default dict).enabled -}}
{{- printf "http://%s:9090" (include "linkerd.serviceName" (dict "Values" .Values "service" "linkerd-prometheus")) -}}
{{- end -}}
{{- end -}}

{{- /* The annotation that says who rendered an object. Values. */ -}}
{{- define "linkerd.createdBy" -}}
{{- if .Values.global.cliVersion -}}
linkerd.io/created-by: {{ printf "linkerd/cli %s" .Values.global.cliVersion }}
{{- else -}}
linkerd.io/created-by: {{ printf "linkerd/helm %s" .Values.global.linkerdVersion }}
{{- end -}}
{{- end -}}

{{- /* Labels of every object. Values, component (empty: none). */ -}}
{{- define "linkerd.labels" -}}
{{- with .component -}}
linkerd.io/control-plane-component: {{ . }}
{{ end -}}
linkerd.io/control-plane-ns: {{ .Values.global.namespace | quote }}
{{- end -}}

{{- /* Labels of Deployments and CronJobs. Values, component. */ -}}
{{- define "linkerd.workloadLabels" -}}
app.kubernetes.io/name: {{ .component }}
app.kubernetes.io/part-of: Linkerd
app.kubernetes.io/version: {{ .Values.global.linkerdVersion | quote }}
{{ include "linkerd.labels" . }}
{{- end -}}

{{- /* Labels of pod templates of Deployments. Values, component. */ -}}
{{- define "linkerd.podLabels" -}}
{{ include "linkerd.labels" . }}
linkerd.io/proxy-deployment: {{ printf "linkerd-%s" .component }}
linkerd.io/workload-ns: {{ .Values.global.namespace | quote }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /*
Annotations of pod templates. Values; inboundPolicy (what the policy API applies to ports that no Server selects;
empty: the cluster's default), requireIdentityPorts and skipInboundPorts (comma lists, may be empty).
*/ -}}
{{- define "linkerd.podAnnotations" -}}
{{ include "linkerd.createdBy" . }}
linkerd.io/identity-mode: default
linkerd.io/proxy-version: {{ .Values.global.proxy.image.version | default .Values.global.linkerdVersion | quote }}
linkerd.io/trust-root-sha256: {{ .Values.global.identityTrustAnchorsPEM | default "" | trim | sha256sum | quote }}
{{- with .inboundPolicy }}
config.linkerd.io/default-inbound-policy: {{ . }}
{{- end }}
{{- with .requireIdentityPorts }}
config.linkerd.io/proxy-require-identity-inbound-ports: {{ . | quote }}
{{- end }}
{{- with .skipInboundPorts }}
config.linkerd.io/skip-inbound-ports: {{ . | quote }}
{{- end }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Selector labels of a Deployment. Values, component. */ -}}
{{- define "linkerd.selector" -}}
{{ include "linkerd.labels" . }}
linkerd.io/proxy-deployment: {{ printf "linkerd-%s" .component }}
{{- end -}}

{{- /*
What decides where a pod of the control plane runs, and with which rights: imagePullSecrets, node selector,
tolerations, affinity, priority, runtime class, pod security context. Values, component; spread (empty: the
component has one replica and needs no anti-affinity).
*/ -}}
{{- define "linkerd.podSettings" -}}
{{- with .Values.global.imagePullSecrets -}}
imagePullSecrets:
{{ toYaml . }}
{{ end -}}
{{- with .Values.nodeSelector -}}
nodeSelector:
{{- toYaml . | nindent 2 }}
{{ end -}}
{{- with .Values.tolerations -}}
tolerations:
{{ toYaml . }}
{{ end -}}
{{- with include "linkerd.affinity" . -}}
affinity:
{{- . | nindent 2 }}
{{ end -}}
{{- with .Values.priorityClassName -}}
priorityClassName: {{ . | quote }}
{{ end -}}
{{- with .Values.runtimeClassName -}}
runtimeClassName: {{ . | quote }}
{{ end -}}
{{- with .Values.podSecurityContext -}}
securityContext:
{{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- /* Content of `affinity`, empty when there is none. Values, component, spread. */ -}}
{{- define "linkerd.affinity" -}}
{{- with .Values.nodeAffinity -}}
nodeAffinity:
{{- toYaml . | nindent 2 }}
{{ end -}}
{{- with .Values.podAffinity -}}
podAffinity:
{{- toYaml . | nindent 2 }}
{{ end -}}
{{- if and .spread .Values.enablePodAntiAffinity -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - podAffinityTerm:
        labelSelector:
          matchExpressions:
            - key: linkerd.io/control-plane-component
              operator: In
              values:
                - {{ .component }}
        topologyKey: topology.kubernetes.io/zone
      weight: 100
  requiredDuringSchedulingIgnoredDuringExecution:
    - labelSelector:
        matchExpressions:
          - key: linkerd.io/control-plane-component
            operator: In
            values:
              - {{ .component }}
      topologyKey: kubernetes.io/hostname
{{- end -}}
{{- end -}}

{{- /* `securityContext` of the control plane's own containers. Values. */ -}}
{{- define "linkerd.containerSecurityContext" -}}
securityContext:
{{- with .Values.containerSecurityContext }}
{{- toYaml . | nindent 2 }}
{{- end }}
  runAsUser: {{ .Values.controllerUID | int }}
{{- if ge (.Values.controllerGID | int) 0 }}
  runAsGroup: {{ .Values.controllerGID | int }}
{{- end }}
{{- end -}}

{{- /* `resources`, or nothing. resources (cpu, memory, ephemeral-storage; limit and request in each). */ -}}
{{- define "linkerd.resources" -}}
{{- $limits := list -}}
{{- $requests := list -}}
{{- $resources := .resources | default dict -}}
{{- range $kind := list "cpu" "ephemeral-storage" "memory" -}}
{{- $amounts := get $resources $kind | default dict -}}
{{- with $amounts.limit -}}
{{- $limits = append $limits (printf "%s: %s" $kind (. | quote)) -}}
{{- end -}}
{{- with $amounts.request -}}
{{- $requests = append $requests (printf "%s: %s" $kind (. | quote)) -}}
{{- end -}}
{{- end -}}
{{- if or $limits $requests -}}
resources:
{{- with $limits }}
  limits:
    {{- join "\n" . | nindent 4 }}
{{- end }}
{{- with $requests }}
  requests:
    {{- join "\n" . | nindent 4 }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /* Probes of the control plane's own containers. port (name of the admin port). */ -}}
{{- define "linkerd.probes" -}}
livenessProbe:
  httpGet:
    path: /live
    port: {{ .port }}
  initialDelaySeconds: 10
readinessProbe:
  failureThreshold: 7
  httpGet:
    path: /ready
    port: {{ .port }}
{{- end -}}

{{- /* Arguments that every process of the control plane takes. Values. */ -}}
{{- define "linkerd.commonArgs" -}}
- --controller-namespace={{ .Values.global.namespace }}
- --log-level={{ .Values.controllerLogLevel }}
- --log-format={{ .Values.controllerLogFormat }}
{{- if .Values.global.controlPlaneTracing }}
- --trace-collector={{ include "linkerd.collector" . }}
{{- end }}
{{- end -}}

{{- /* host:port of the collector of the control plane's spans. Values. */ -}}
{{- define "linkerd.collector" -}}
{{- $namespace := .Values.global.controlPlaneTracingNamespace | default .Values.global.namespace -}}
{{- printf "linkerd-collector.%s.svc.%s:4317" $namespace .Values.global.clusterDomain -}}
{{- end -}}

{{- /* `replicas`, `revisionHistoryLimit` and `strategy` of a Deployment with controllerReplicas. Values. */ -}}
{{- define "linkerd.deploymentSettings" -}}
replicas: {{ .Values.controllerReplicas | int }}
revisionHistoryLimit: {{ .Values.revisionHistoryLimit | int }}
{{- with .Values.deploymentStrategy }}
strategy:
{{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /*
The Secret with the serving certificate of a webhook or of the aggregated API; nothing when someone else makes
it. It has no `data` unless the values carry a certificate: what the process fills in at run time then belongs
to no manifest, so neither a second `kubectl apply` nor `helm upgrade` takes it away. Its type is Opaque
because kubernetes.io/tls demands the keys, and a type cannot change later.
Values, component, name, settings (externalSecret, crtPEM, keyPEM).
*/ -}}
{{- define "linkerd.tlsSecret" -}}
{{- if not .settings.externalSecret -}}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ .name }}
  namespace: {{ .Values.global.namespace | quote }}
  labels:
    {{- include "linkerd.labels" . | nindent 4 }}
  annotations:
    {{- include "linkerd.createdBy" . | nindent 4 }}
type: Opaque
{{- if and .settings.crtPEM .settings.keyPEM }}
data:
  tls.crt: {{ printf "%s\n" (trim .settings.crtPEM) | b64enc }}
  tls.key: {{ printf "%s\n" (trim .settings.keyPEM) | b64enc }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /* Annotations by which cert-manager injects a CA, or nothing. settings (injectCaFrom, injectCaFromSecret). */ -}}
{{- define "linkerd.caInjection" -}}
{{- with .settings.injectCaFrom -}}
cert-manager.io/inject-ca-from: {{ . }}
{{- end -}}
{{- with .settings.injectCaFromSecret -}}
cert-manager.io/inject-ca-from-secret: {{ . }}
{{- end -}}
{{- end -}}

{{- /*
`caBundle` of a webhook or APIService, or nothing: without it the process behind fills the field in at run
time, or cert-manager does. settings (caBundle, crtPEM, injectCaFrom, injectCaFromSecret).
*/ -}}
{{- define "linkerd.caBundle" -}}
{{- if .settings.caBundle -}}
caBundle: {{ printf "%s\n" (trim .settings.caBundle) | b64enc }}
{{- end -}}
{{- end -}}

{{- /* Content of a webhook's `namespaceSelector`. Values, settings (namespaceSelector). */ -}}
{{- define "linkerd.namespaceSelector" -}}
{{- $selector := .settings.namespaceSelector | default dict -}}
{{- with $selector.matchLabels -}}
matchLabels:
{{- toYaml . | nindent 2 }}
{{ end -}}
matchExpressions:
{{- with $selector.matchExpressions }}
{{ toYaml . }}
{{- end }}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values:
    - kube-system
    - {{ .Values.global.namespace | quote }}
{{- end -}}

{{- /* The webhook's own part of a webhook configuration: when it is asked and what happens if it cannot be. Values, settings (objectSelector, timeoutSeconds). */ -}}
{{- define "linkerd.webhookSettings" -}}
admissionReviewVersions:
  - v1
  - v1beta1
failurePolicy: {{ .Values.webhookFailurePolicy }}
matchPolicy: Equivalent
namespaceSelector:
  {{- include "linkerd.namespaceSelector" . | nindent 2 }}
{{- with .settings.objectSelector }}
objectSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
sideEffects: None
timeoutSeconds: {{ .settings.timeoutSeconds | int }}
{{- end -}}

{{- /* A PodDisruptionBudget, as a document; nothing unless they are switched on. Values, component. */ -}}
{{- define "linkerd.podDisruptionBudget" -}}
{{- if .Values.enablePodDisruptionBudget -}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ printf "linkerd-%s" .component }}
  namespace: {{ .Values.global.namespace | quote }}
  labels:
    {{- include "linkerd.labels" . | nindent 4 }}
  annotations:
    {{- include "linkerd.createdBy" . | nindent 4 }}
spec:
  maxUnavailable: {{ .Values.controllerMaxUnavailable | int }}
  selector:
    matchLabels:
      {{- include "linkerd.labels" . | nindent 6 }}
{{- end -}}
{{- end -}}

{{- /* Content of an object's metadata without annotations. Values, component, name. */ -}}
{{- define "linkerd.metadata" -}}
name: {{ .name }}
namespace: {{ .Values.global.namespace | quote }}
labels:
  {{- include "linkerd.labels" . | nindent 2 }}
{{- end -}}

{{- /* The same for a cluster-scoped object of RBAC. Values, component, name (its last part). */ -}}
{{- define "linkerd.clusterMetadata" -}}
name: {{ include "linkerd.clusterName" . }}
labels:
  {{- include "linkerd.labels" . | nindent 2 }}
{{- end -}}

{{- /* The same for Deployments and CronJobs. Values, component, name. */ -}}
{{- define "linkerd.workloadMetadata" -}}
name: {{ .name }}
namespace: {{ .Values.global.namespace | quote }}
labels:
  {{- include "linkerd.workloadLabels" . | nindent 2 }}
annotations:
  {{- include "linkerd.createdBy" . | nindent 2 }}
{{- end -}}

{{- /*
ServiceAccount, ClusterRoleBinding and RoleBinding of a component, each as a document. The roles carry the
component's name. Values, component.
*/ -}}
{{- define "linkerd.account" -}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "linkerd.metadata" (dict "Values" .Values "component" .component "name" (printf "linkerd-%s" .component)) | nindent 2 }}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "linkerd.clusterRoleBinding" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  {{- include "linkerd.clusterMetadata" (dict "Values" .Values "component" .component "name" .component) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ include "linkerd.clusterName" (dict "Values" .Values "name" .component) }}
subjects:
  - kind: ServiceAccount
    name: {{ printf "linkerd-%s" .component }}
    namespace: {{ .Values.global.namespace | quote }}
{{- end -}}

{{- define "linkerd.roleBinding" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "linkerd.metadata" (dict "Values" .Values "component" .component "name" (printf "linkerd-%s" .component)) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ printf "linkerd-%s" .component }}
subjects:
  - kind: ServiceAccount
    name: {{ printf "linkerd-%s" .component }}
    namespace: {{ .Values.global.namespace | quote }}
{{- end -}}

{{- /* "yes" when a serving certificate is given or made by someone else, else empty. settings. */ -}}
{{- define "linkerd.tlsProvided" -}}
{{- if or .settings.externalSecret (and .settings.crtPEM .settings.keyPEM) -}}
yes
{{- end -}}
{{- end -}}

{{- /* "yes" when the CA of a webhook is given or injected by someone else, else empty. settings. */ -}}
{{- define "linkerd.caProvided" -}}
{{- if or .settings.caBundle .settings.injectCaFrom .settings.injectCaFromSecret -}}
yes
{{- end -}}
{{- end -}}

{{- /*
A Service, as a document. Values, component, name, headless (true or absent); ports, a list of dicts (name, port,
target; target empty: the port's name).
*/ -}}
{{- define "linkerd.service" -}}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "linkerd.metadata" . | nindent 2 }}
  annotations:
    {{- include "linkerd.createdBy" . | nindent 4 }}
spec:
  type: ClusterIP
  {{- if .headless }}
  clusterIP: None
  {{- end }}
  selector:
    linkerd.io/control-plane-component: {{ .component }}
  ports:
    {{- range .ports }}
    - name: {{ .name }}
      port: {{ .port | int }}
      targetPort: {{ .target | default .name }}
    {{- end }}
{{- end -}}

{{- /*
Arguments of a process that serves a webhook: where its certificate and its configuration are, and which of the
two it maintains itself. Values, settings, secret, config.
*/ -}}
{{- define "linkerd.webhookArgs" -}}
- --tls-secret={{ .secret }}
- --issue-tls={{ empty (include "linkerd.tlsProvided" .) }}
- --webhook-config={{ .config }}
- --fill-ca-bundle={{ empty (include "linkerd.caProvided" .) }}
{{- end -}}

{{- /* Environment of the control plane's own containers. */ -}}
{{- define "linkerd.podNameEnv" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- end -}}
