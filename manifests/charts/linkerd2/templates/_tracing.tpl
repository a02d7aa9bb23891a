{{- /* Address of every interface, before a port. Values. */ -}}
{{- define "tracing.any" -}}
{{- ternary "[::]" "0.0.0.0" (.Values.global.enableIPv6 | default false) -}}
{{- end -}}

{{- /* Metrics of a collector's own, as both programs take it. Values. */ -}}
{{- define "tracing.telemetry" -}}
telemetry:
  metrics:
    level: basic
    readers:
    - pull:
        exporter:
          prometheus:
            host: {{ ternary "::" "0.0.0.0" (.Values.global.enableIPv6 | default false) | quote }}
            port: 8888
{{- end -}}

{{- /*
Configuration of the collector. What it sends to Jaeger is encrypted by the proxies, so it needs no TLS of its own.
Values.
*/ -}}
{{- define "tracing.collectorConfig" -}}
{{- $any := include "tracing.any" . -}}
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: {{ printf "%s:4317" $any | quote }}
      http:
        endpoint: {{ printf "%s:4318" $any | quote }}
  zipkin:
    endpoint: {{ printf "%s:9411" $any | quote }}
processors:
  memory_limiter:
    check_interval: 1s
    limit_percentage: 80
    spike_limit_percentage: 20
  batch: {}
exporters:
  otlp_grpc:
    endpoint: {{ printf "%s:4317" (include "linkerd.serviceName" (dict "Values" .Values "service" .Values.tracing.jaeger.name)) | quote }}
    tls:
      insecure: true
extensions:
  health_check:
    endpoint: {{ printf "%s:13133" $any | quote }}
service:
  extensions: [health_check]
  pipelines:
    traces:
      receivers: [otlp, zipkin]
      processors: [memory_limiter, batch]
      exporters: [otlp_grpc]
  {{- include "tracing.telemetry" . | nindent 2 }}
{{- end -}}

{{- /* Configuration of Jaeger, which takes OTLP and, from older clients, its own Thrift over HTTP. Values. */ -}}
{{- define "tracing.jaegerConfig" -}}
{{- $any := include "tracing.any" . -}}
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: {{ printf "%s:4317" $any | quote }}
  jaeger:
    protocols:
      thrift_http:
        endpoint: {{ printf "%s:14268" $any | quote }}
processors:
  batch: {}
exporters:
  jaeger_storage_exporter:
    trace_storage: traces
extensions:
  jaeger_storage:
    backends:
      traces:
        memory:
          max_traces: {{ .Values.tracing.jaeger.maxTraces | int }}
  jaeger_query:
    # The dashboard passes /jaeger on as it is.
    base_path: /jaeger
    http:
      endpoint: {{ printf "%s:16686" $any | quote }}
    storage:
      traces: traces
  healthcheckv2:
    use_v2: true
    http:
      endpoint: {{ printf "%s:13133" $any | quote }}
service:
  extensions: [jaeger_storage, jaeger_query, healthcheckv2]
  pipelines:
    traces:
      receivers: [otlp, jaeger]
      processors: [batch]
      exporters: [jaeger_storage_exporter]
  {{- include "tracing.telemetry" . | nindent 2 }}
{{- end -}}

{{- /*
ConfigMap, Service and Deployment of one of the two, as documents. Values, component, name, settings (image,
resources, proxyResources), container (its name), config (text), file (its name), health (path on 13133),
ports (list of dicts: name, port).
*/ -}}
{{- define "tracing.workload" -}}
{{- $ports := list -}}
{{- range .ports -}}
{{- $ports = append $ports (printf "%d" (int .port)) -}}
{{- end -}}
{{- $mesh := dict "Values" .Values "Pod" (dict "component" .component "workload" .name "inboundPorts" (printf "%s,8888,13133" (join "," $ports)) "defaultInboundPolicy" "all-unauthenticated" "resources" .settings.proxyResources) -}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "linkerd.metadata" (dict "Values" .Values "component" .component "name" (printf "%s-config" .name)) | nindent 2 }}
  annotations:
    {{- include "linkerd.createdBy" . | nindent 4 }}
data:
  {{ .file }}: |-
    {{- .config | trim | nindent 4 }}
{{ include "linkerd.service" . }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "linkerd.workloadMetadata" . | nindent 2 }}
spec:
  replicas: 1
  revisionHistoryLimit: {{ .Values.revisionHistoryLimit | int }}
  minReadySeconds: 5
  progressDeadlineSeconds: 120
  selector:
    matchLabels:
      {{- include "addon.selector" . | nindent 6 }}
  template:
    metadata:
      annotations:
        {{- include "linkerd.podAnnotations" (dict "Values" .Values "inboundPolicy" "all-authenticated") | nindent 8 }}
        checksum/config: {{ .config | trim | sha256sum }}
      labels:
        {{- include "addon.podLabels" . | nindent 8 }}
    spec:
      {{- include "linkerd.podSettings" . | nindent 6 }}
      automountServiceAccountToken: false
      serviceAccountName: {{ .name }}
      initContainers:
        {{- include "partials.initContainers" $mesh | nindent 8 }}
      containers:
        {{- with include "partials.containers" $mesh }}
        {{- . | nindent 8 }}
        {{- end }}
        - name: {{ .container }}
          image: {{ .settings.image }}
          imagePullPolicy: {{ .Values.global.imagePullPolicy }}
          args:
            - --config=/conf/{{ .file }}.yaml
          ports:
            {{- range .ports }}
            - containerPort: {{ .port | int }}
              name: {{ .name }}
            {{- end }}
            - containerPort: 8888
              name: admin-http
          livenessProbe:
            httpGet:
              path: {{ .health }}
              port: 13133
            initialDelaySeconds: 10
          readinessProbe:
            httpGet:
              path: {{ .health }}
              port: 13133
          {{- with include "linkerd.resources" (dict "resources" .settings.resources) }}
          {{- . | nindent 10 }}
          {{- end }}
          {{- include "addon.containerSecurityContext" (dict "Values" .Values "user" 10001) | nindent 10 }}
          terminationMessagePolicy: FallbackToLogsOnError
          volumeMounts:
            - mountPath: /conf
              name: config
              readOnly: true
      volumes:
        - configMap:
            items:
              - key: {{ .file }}
                path: {{ .file }}.yaml
            name: {{ .name }}-config
          name: config
        {{- include "partials.volumes" $mesh | nindent 8 }}
{{- end -}}
