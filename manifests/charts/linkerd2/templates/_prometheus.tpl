{{- /* Level of Prometheus's log, which knows no trace, panic or fatal. Values. */ -}}
{{- define "prometheus.logLevel" -}}
{{- $level := .Values.prometheus.logLevel | default .Values.controllerLogLevel -}}
{{- if eq $level "trace" -}}
debug
{{- else if has $level (list "panic" "fatal") -}}
error
{{- else -}}
{{- $level -}}
{{- end -}}
{{- end -}}

{{- /*
The labels of a proxy's series. They are what every query of the command and the dashboards groups by: namespace and
pod, the workload under the name of its kind (with k8s_job for a Job, because `job` is the scrape's own), what else
linkerd.io/* labels say, and the pod's other labels. A pod can label itself as it likes, so the labels that
queries rely on are set last and win.
*/ -}}
{{- define "prometheus.proxyLabels" -}}
- action: labelmap
  regex: __meta_kubernetes_pod_label_(.+)
- action: labelmap
  regex: __meta_kubernetes_pod_label_linkerd_io_(.+)
- action: labelmap
  regex: __meta_kubernetes_pod_label_linkerd_io_proxy_(cronjob|daemonset|deployment|replicaset|replicationcontroller|statefulset)
- action: labeldrop
  regex: linkerd_io_.+|proxy_(cronjob|daemonset|deployment|job|replicaset|replicationcontroller|statefulset)
- action: replace
  source_labels: [__meta_kubernetes_pod_label_linkerd_io_proxy_job]
  target_label: k8s_job
- action: replace
  source_labels: [__meta_kubernetes_namespace]
  target_label: namespace
- action: replace
  source_labels: [__meta_kubernetes_pod_name]
  target_label: pod
- action: replace
  source_labels: [__address__]
  target_label: instance
- action: replace
  target_label: job
  replacement: linkerd-proxy
{{- end -}}

{{- /* prometheus.yml. Values. */ -}}
{{- define "prometheus.config" -}}
{{- $namespace := .Values.global.namespace -}}
global:
  {{- toYaml .Values.prometheus.globalConfig | nindent 2 }}

rule_files:
- /etc/prometheus/*_rules.yml
- /etc/prometheus/*_rules.yaml

{{- if or .Values.prometheus.alertManagers .Values.prometheus.alertRelabelConfigs }}

alerting:
  {{- with .Values.prometheus.alertRelabelConfigs }}
  alert_relabel_configs:
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .Values.prometheus.alertManagers }}
  alertmanagers:
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

scrape_configs:
- job_name: prometheus
  static_configs:
  - targets: ["localhost:9090"]

{{- if .Values.grafana.enabled }}

- job_name: grafana
  kubernetes_sd_configs:
  - role: pod
    namespaces:
      names: [{{ $namespace | quote }}]
    selectors:
    - role: pod
      label: linkerd.io/control-plane-component=grafana
  relabel_configs:
  - action: keep
    source_labels: [__meta_kubernetes_pod_container_name, __meta_kubernetes_pod_container_port_name]
    regex: grafana;http
{{- end }}

{{- if .Values.prometheus.kubelet.enabled }}

# The kubelet is asked directly, not through the API server: that would take a right (nodes/proxy) that also
# lets its holder run commands in any container.
- job_name: kubernetes-nodes-cadvisor
  scheme: https
  metrics_path: /metrics/cadvisor
  tls_config:
    ca_file: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
    insecure_skip_verify: {{ .Values.prometheus.kubelet.insecureSkipVerify }}
  authorization:
    credentials_file: /var/run/secrets/kubernetes.io/serviceaccount/token
  kubernetes_sd_configs:
  - role: node
  relabel_configs:
  - action: replace
    source_labels: [__meta_kubernetes_node_name]
    target_label: node
  metric_relabel_configs:
  - action: keep
    source_labels: [__name__]
    regex: container_(cpu_usage_seconds_total|cpu_cfs_(throttled_)?periods_total|memory_working_set_bytes|memory_rss|network_(receive|transmit)_bytes_total)|machine_(cpu_cores|memory_bytes)
  - action: drop
    source_labels: [container, __name__]
    regex: POD;container_(cpu|memory)_.+
{{- end }}

# The processes of the control plane: their admin port, and that of no proxy.
- job_name: linkerd-controller
  kubernetes_sd_configs:
  - role: pod
    namespaces:
      names: [{{ $namespace | quote }}]
    selectors:
    - role: pod
      label: linkerd.io/control-plane-component
  relabel_configs:
  - action: keep
    source_labels: [__meta_kubernetes_pod_container_port_name]
    regex: admin-http
  - action: drop
    source_labels: [__meta_kubernetes_pod_container_name]
    regex: linkerd-proxy|prometheus
  - action: drop
    source_labels: [__meta_kubernetes_pod_phase]
    regex: Failed|Succeeded
  - action: replace
    source_labels: [__meta_kubernetes_pod_container_name]
    target_label: component
  - action: replace
    source_labels: [__meta_kubernetes_namespace]
    target_label: namespace
  - action: replace
    source_labels: [__meta_kubernetes_pod_name]
    target_label: pod

# The multicluster controllers, in whatever namespace.
- job_name: linkerd-service-mirror
  kubernetes_sd_configs:
  - role: pod
    selectors:
    - role: pod
      label: linkerd.io/control-plane-component=linkerd-service-mirror
  relabel_configs:
  - action: keep
    source_labels: [__meta_kubernetes_pod_container_port_name]
    regex: admin-http
  - action: drop
    source_labels: [__meta_kubernetes_pod_container_name]
    regex: linkerd-proxy
  - action: replace
    source_labels: [__meta_kubernetes_pod_container_name]
    target_label: component
  - action: replace
    source_labels: [__meta_kubernetes_namespace]
    target_label: namespace
  - action: replace
    source_labels: [__meta_kubernetes_pod_name]
    target_label: pod

# Every proxy of this control plane. The API server picks the pods, so pods without a proxy cost nothing here.
- job_name: linkerd-proxy
  kubernetes_sd_configs:
  - role: pod
    selectors:
    - role: pod
      label: {{ printf "linkerd.io/control-plane-ns=%s" $namespace | quote }}
  relabel_configs:
  - action: keep
    source_labels: [__meta_kubernetes_pod_container_name, __meta_kubernetes_pod_container_port_name]
    regex: linkerd-proxy;linkerd-admin
  - action: drop
    source_labels: [__meta_kubernetes_pod_phase]
    regex: Failed|Succeeded
  {{- include "prometheus.proxyLabels" . | nindent 2 }}

{{- with .Values.prometheus.scrapeConfigs }}

{{ toYaml . }}
{{- end }}

{{- with .Values.prometheus.remoteWrite }}

remote_write:
{{ toYaml . }}
{{- end }}
{{- end -}}
