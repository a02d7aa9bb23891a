{{- /*
partials.proxy.env: the environment of linkerd-proxy, as a list. `$(name)` refers to variables above it only, so
the order matters.
*/ -}}
{{- define "partials.proxy.env" -}}
{{ include "partials.proxy.env.pod" . }}
{{ include "partials.proxy.env.process" . }}
{{ include "partials.proxy.env.controlPlane" . }}
{{ include "partials.proxy.env.sockets" . }}
{{ include "partials.proxy.env.inbound" . }}
{{ include "partials.proxy.env.outbound" . }}
{{ include "partials.proxy.env.identity" . }}
{{- with include "partials.proxy.env.trace" . }}
{{ . }}
{{- end }}
{{- with .Values.global.proxy.additionalEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* What the proxy knows of its pod. */ -}}
{{- define "partials.proxy.env.pod" -}}
- name: _pod_name
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: _pod_ns
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: _pod_nodeName
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: _pod_sa
  valueFrom:
    fieldRef:
      fieldPath: spec.serviceAccountName
- name: _l5d_ns
  value: {{ .Values.global.namespace | quote }}
- name: _l5d_trustdomain
  value: {{ include "linkerd.trustDomain" . | quote }}
{{- end -}}

{{- /* Threads, logs and the end. */ -}}
{{- define "partials.proxy.env.process" -}}
{{- $proxy := .Values.global.proxy -}}
{{- $pod := .Pod | default dict -}}
{{- $resources := $pod.resources | default $proxy.resources | default dict -}}
- name: LINKERD2_PROXY_CORES_MIN
  value: {{ $proxy.cores.minimum | int | quote }}
{{- if gt ($proxy.cores.maximum | int) 0 }}
- name: LINKERD2_PROXY_CORES_MAX
  value: {{ $proxy.cores.maximum | int | quote }}
{{- else if (get $resources "cpu" | default dict).limit }}
- name: LINKERD2_PROXY_CORES_MAX
  valueFrom:
    resourceFieldRef:
      divisor: "1"
      resource: limits.cpu
{{- end }}
{{- with $proxy.cores.maximumRatio }}
- name: LINKERD2_PROXY_CORES_MAX_RATIO
  value: {{ . | quote }}
{{- end }}
- name: LINKERD2_PROXY_LOG
  value: {{ ternary $proxy.logLevel (printf "%s,[{headers}]=off,[{request}]=off" $proxy.logLevel) (eq $proxy.logHTTPHeaders "insecure") | quote }}
- name: LINKERD2_PROXY_LOG_FORMAT
  value: {{ $proxy.logFormat | quote }}
{{- with $proxy.accessLog }}
- name: LINKERD2_PROXY_ACCESS_LOG
  value: {{ . | quote }}
{{- end }}
- name: LINKERD2_PROXY_SHUTDOWN_ENDPOINT_ENABLED
  value: {{ $proxy.enableShutdownEndpoint | default false | quote }}
{{- with $proxy.shutdownGracePeriod }}
- name: LINKERD2_PROXY_SHUTDOWN_GRACE_PERIOD
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{- /* Where the destination and policy APIs are and what they are told. Pods of the control plane reach their own over localhost. */ -}}
{{- define "partials.proxy.env.controlPlane" -}}
{{- $global := .Values.global -}}
{{- $streams := $global.proxy.control.streams -}}
{{- $own := eq ((.Pod | default dict).component | default "") "destination" -}}
{{- $destination := printf "%s." (include "linkerd.serviceName" (dict "Values" .Values "service" "linkerd-dst-headless")) -}}
{{- $policy := printf "%s." (include "linkerd.serviceName" (dict "Values" .Values "service" "linkerd-policy")) -}}
- name: LINKERD2_PROXY_DESTINATION_SVC_ADDR
  value: {{ printf "%s:8086" (ternary "localhost." $destination $own) }}
- name: LINKERD2_PROXY_DESTINATION_SVC_NAME
  value: linkerd-destination.$(_l5d_ns).serviceaccount.identity.$(_l5d_ns).$(_l5d_trustdomain)
- name: LINKERD2_PROXY_DESTINATION_CONTEXT
  value: '{"ns":"$(_pod_ns)","nodeName":"$(_pod_nodeName)","pod":"$(_pod_name)"}'
- name: LINKERD2_PROXY_DESTINATION_PROFILE_NETWORKS
  value: {{ $global.proxy.destinationGetNetworks | default $global.clusterNetworks | quote }}
- name: LINKERD2_PROXY_DESTINATION_PROFILE_SUFFIXES
  value: {{ ternary "." (printf "svc.%s." $global.clusterDomain) ($global.proxy.enableExternalProfiles | default false) | quote }}
- name: LINKERD2_PROXY_POLICY_SVC_ADDR
  value: {{ printf "%s:8090" (ternary "localhost." $policy $own) }}
- name: LINKERD2_PROXY_POLICY_SVC_NAME
  value: linkerd-destination.$(_l5d_ns).serviceaccount.identity.$(_l5d_ns).$(_l5d_trustdomain)
- name: LINKERD2_PROXY_POLICY_WORKLOAD
  value: '{"ns":"$(_pod_ns)","pod":"$(_pod_name)"}'
- name: LINKERD2_PROXY_POLICY_CLUSTER_NETWORKS
  value: {{ $global.clusterNetworks | quote }}
- name: LINKERD2_PROXY_CONTROL_STREAM_INITIAL_TIMEOUT
  value: {{ $streams.initialTimeout | quote }}
- name: LINKERD2_PROXY_CONTROL_STREAM_IDLE_TIMEOUT
  value: {{ $streams.idleTimeout | quote }}
- name: LINKERD2_PROXY_CONTROL_STREAM_LIFETIME
  value: {{ $streams.lifetime | quote }}
{{- end -}}

{{- /* Listeners and kernel options. */ -}}
{{- define "partials.proxy.env.sockets" -}}
{{- $ports := .Values.global.proxy.ports -}}
{{- $all := ternary "[::]" "0.0.0.0" .Values.global.enableIPv6 -}}
{{- $outbound := printf "127.0.0.1:%d" ($ports.outbound | int) -}}
- name: LINKERD2_PROXY_CONTROL_LISTEN_ADDR
  value: {{ printf "%s:%d" $all ($ports.control | int) | quote }}
- name: LINKERD2_PROXY_ADMIN_LISTEN_ADDR
  value: {{ printf "%s:%d" $all ($ports.admin | int) | quote }}
- name: LINKERD2_PROXY_OUTBOUND_LISTEN_ADDR
  value: {{ $outbound | quote }}
- name: LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS
  value: {{ ternary (printf "%s,[::1]:%d" $outbound ($ports.outbound | int)) $outbound .Values.global.enableIPv6 | quote }}
- name: LINKERD2_PROXY_INBOUND_LISTEN_ADDR
  value: {{ printf "%s:%d" $all ($ports.inbound | int) | quote }}
- name: LINKERD2_PROXY_INBOUND_IPS
  valueFrom:
    fieldRef:
      fieldPath: status.podIPs
- name: LINKERD2_PROXY_INBOUND_ACCEPT_KEEPALIVE
  value: 10000ms
- name: LINKERD2_PROXY_OUTBOUND_CONNECT_KEEPALIVE
  value: 10000ms
- name: LINKERD2_PROXY_INBOUND_ACCEPT_USER_TIMEOUT
  value: 30s
- name: LINKERD2_PROXY_OUTBOUND_CONNECT_USER_TIMEOUT
  value: 30s
{{- end -}}

{{- /* Incoming connections. */ -}}
{{- define "partials.proxy.env.inbound" -}}
{{- $proxy := .Values.global.proxy -}}
{{- $pod := .Pod | default dict -}}
{{- with $proxy.podInboundPorts | default $pod.inboundPorts -}}
- name: LINKERD2_PROXY_INBOUND_PORTS
  value: {{ . | quote }}
{{ end -}}
- name: LINKERD2_PROXY_INBOUND_DEFAULT_POLICY
  value: {{ $pod.defaultInboundPolicy | default $proxy.defaultInboundPolicy | quote }}
{{- with $proxy.requireIdentityOnInboundPorts }}
- name: LINKERD2_PROXY_INBOUND_PORTS_REQUIRE_IDENTITY
  value: {{ . | quote }}
{{- end }}
{{- with $proxy.opaquePorts }}
- name: LINKERD2_PROXY_INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION
  value: {{ . | quote }}
{{- end }}
- name: LINKERD2_PROXY_INBOUND_CONNECT_TIMEOUT
  value: {{ $proxy.inboundConnectTimeout | quote }}
- name: LINKERD2_PROXY_INBOUND_DISCOVERY_IDLE_TIMEOUT
  value: {{ $proxy.inboundDiscoveryCacheUnusedTimeout | quote }}
{{- if $proxy.disableInboundProtocolDetectTimeout }}
- name: LINKERD2_PROXY_INBOUND_DETECT_TIMEOUT
  value: 365d
{{- end }}
- name: LINKERD2_PROXY_INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL
  value: {{ $proxy.inbound.server.http2.keepAliveInterval | quote }}
- name: LINKERD2_PROXY_INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT
  value: {{ $proxy.inbound.server.http2.keepAliveTimeout | quote }}
{{- if $proxy.isGateway }}
- name: LINKERD2_PROXY_INBOUND_GATEWAY_SUFFIXES
  value: {{ printf "svc.%s." .Values.global.clusterDomain | quote }}
{{- end }}
{{- end -}}

{{- /* Outgoing connections. */ -}}
{{- define "partials.proxy.env.outbound" -}}
{{- $proxy := .Values.global.proxy -}}
- name: LINKERD2_PROXY_OUTBOUND_CONNECT_TIMEOUT
  value: {{ $proxy.outboundConnectTimeout | quote }}
- name: LINKERD2_PROXY_OUTBOUND_DISCOVERY_IDLE_TIMEOUT
  value: {{ $proxy.outboundDiscoveryCacheUnusedTimeout | quote }}
{{- if $proxy.disableOutboundProtocolDetectTimeout }}
- name: LINKERD2_PROXY_OUTBOUND_DETECT_TIMEOUT
  value: 365d
{{- end }}
- name: LINKERD2_PROXY_OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL
  value: {{ $proxy.outbound.server.http2.keepAliveInterval | quote }}
- name: LINKERD2_PROXY_OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT
  value: {{ $proxy.outbound.server.http2.keepAliveTimeout | quote }}
- name: LINKERD2_PROXY_OUTBOUND_METRICS_HOSTNAME_LABELS
  value: {{ $proxy.metrics.hostnameLabels | default false | quote }}
{{- if $proxy.isIngress }}
- name: LINKERD2_PROXY_INGRESS_MODE
  value: "true"
{{- end }}
{{- end -}}

{{- /*
Certificates. Pods of the control plane take the trust anchors from the ConfigMap in their own namespace; a
workload's pod cannot refer to another namespace, so it gets them as text.
*/ -}}
{{- define "partials.proxy.env.identity" -}}
{{- $component := (.Pod | default dict).component | default "" -}}
{{- $service := printf "%s." (include "linkerd.serviceName" (dict "Values" .Values "service" "linkerd-identity-headless")) -}}
- name: LINKERD2_PROXY_IDENTITY_DIR
  value: /var/run/linkerd/identity/end-entity
- name: LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS
{{- if $component }}
  valueFrom:
    configMapKeyRef:
      key: ca-bundle.crt
      name: linkerd-identity-trust-roots
{{- else }}
  value: {{ printf "%s\n" (.Values.global.identityTrustAnchorsPEM | default "" | trim) | quote }}
{{- end }}
- name: LINKERD2_PROXY_IDENTITY_TOKEN_FILE
  value: /var/run/secrets/tokens/linkerd-identity-token
- name: LINKERD2_PROXY_IDENTITY_SVC_ADDR
  value: {{ printf "%s:8080" (ternary "localhost." $service (eq $component "identity")) }}
- name: LINKERD2_PROXY_IDENTITY_LOCAL_NAME
  value: $(_pod_sa).$(_pod_ns).serviceaccount.identity.$(_l5d_ns).$(_l5d_trustdomain)
- name: LINKERD2_PROXY_IDENTITY_SVC_NAME
  value: linkerd-identity.$(_l5d_ns).serviceaccount.identity.$(_l5d_ns).$(_l5d_trustdomain)
{{- if not .Values.global.proxy.disableTap }}
- name: LINKERD2_PROXY_TAP_SVC_NAME
  value: linkerd-tap.$(_l5d_ns).serviceaccount.identity.$(_l5d_ns).$(_l5d_trustdomain)
{{- end }}
{{- end -}}

{{- /* host:port of the collector of spans, empty when there is none. */ -}}
{{- define "partials.trace.collector" -}}
{{- if .Values.global.proxy.trace.collectorSvcAddr -}}
{{- .Values.global.proxy.trace.collectorSvcAddr -}}
{{- else if and (.Pod | default dict).component .Values.global.controlPlaneTracing -}}
{{- include "linkerd.collector" . -}}
{{- end -}}
{{- end -}}

{{- /* ServiceAccount and namespace of the collector, joined by a dot as identities have them. */ -}}
{{- define "partials.trace.account" -}}
{{- $trace := .Values.global.proxy.trace -}}
{{- $labels := splitList "." (splitList ":" $trace.collectorSvcAddr | first) -}}
{{- if not $trace.collectorSvcAddr -}}
{{- printf "linkerd-collector.%s" (.Values.global.controlPlaneTracingNamespace | default .Values.global.namespace) -}}
{{- else if $trace.collectorSvcNamespace -}}
{{- printf "%s.%s" $trace.collectorSvcAccount $trace.collectorSvcNamespace -}}
{{- else if gt (len $labels) 1 -}}
{{- printf "%s.%s" $trace.collectorSvcAccount (index $labels 1) -}}
{{- else -}}
{{- printf "%s.$(_pod_ns)" $trace.collectorSvcAccount -}}
{{- end -}}
{{- end -}}

{{- /* Spans; empty when there is no collector. */ -}}
{{- define "partials.proxy.env.trace" -}}
{{- $trace := .Values.global.proxy.trace -}}
{{- $pod := .Pod | default dict -}}
{{- with include "partials.trace.collector" . -}}
- name: LINKERD2_PROXY_TRACE_COLLECTOR_SVC_ADDR
  value: {{ . | quote }}
- name: LINKERD2_PROXY_TRACE_COLLECTOR_SVC_NAME
  value: {{ include "partials.trace.account" $ }}.serviceaccount.identity.$(_l5d_ns).$(_l5d_trustdomain)
- name: LINKERD2_PROXY_TRACE_ATTRIBUTES_PATH
  value: /var/run/linkerd/podinfo/labels
- name: LINKERD2_PROXY_TRACE_SERVICE_NAME
  value: {{ $trace.serviceName | default $pod.workload | default "linkerd-proxy" | quote }}
{{- with $trace.extraAttributes }}
- name: LINKERD2_PROXY_TRACE_EXTRA_ATTRIBUTES
  value: |
    {{- range $key, $value := . }}
    {{ $key }}={{ $value }}
    {{- end }}
{{- end }}
{{- end -}}
{{- end -}}
