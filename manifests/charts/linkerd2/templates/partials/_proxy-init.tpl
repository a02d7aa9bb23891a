{{- /*
partials.proxy-init: the init container linkerd-init, which programs the redirection of the pod, as one container.
Takes the dict described in _proxy.tpl. Absent when the CNI plugin does its work.
*/ -}}
{{- define "partials.proxy-init" -}}
{{- $init := .Values.global.proxyInit -}}
{{- $pod := .Pod | default dict -}}
{{- $more := $pod.initCapabilities | default dict -}}
{{- $capabilities := $init.capabilities | default dict -}}
{{- $closeWait := gt ($init.closeWaitTimeoutSecs | int) 0 -}}
{{- $privileged := or $init.privileged $closeWait | ternary true false -}}
name: linkerd-init
image: {{ include "linkerd.image" (dict "Values" .Values "image" $init.image "short" "proxy-init") }}
imagePullPolicy: {{ include "linkerd.pullPolicy" (dict "Values" .Values "image" $init.image) }}
args:
  {{- include "partials.proxy-init.args" . | nindent 2 }}
{{- with include "linkerd.resources" (dict "resources" $init.resources) }}
{{ . }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: {{ $privileged }}
  capabilities:
    add:
      {{- range concat (list "NET_ADMIN" "NET_RAW") ($capabilities.add | default list) ($more.add | default list) | uniq }}
      - {{ . }}
      {{- end }}
    drop:
      {{- range $more.drop | default $capabilities.drop | default (list "ALL") }}
      - {{ . }}
      {{- end }}
  privileged: {{ $privileged }}
  readOnlyRootFilesystem: true
  {{- if or $init.runAsRoot $privileged }}
  runAsGroup: 0
  runAsNonRoot: false
  runAsUser: 0
  {{- else }}
  runAsGroup: {{ $init.runAsGroup | int }}
  runAsNonRoot: true
  runAsUser: {{ $init.runAsUser | int }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
terminationMessagePolicy: FallbackToLogsOnError
{{- if ne $init.iptablesMode "nft" }}
volumeMounts:
  - mountPath: /run
    name: linkerd-proxy-init-xtables-lock
{{- end }}
{{- end -}}

{{- /* Arguments of linkerd-init. */ -}}
{{- define "partials.proxy-init.args" -}}
{{- $global := .Values.global -}}
{{- $init := $global.proxyInit -}}
{{- $ports := $global.proxy.ports -}}
{{- $pod := .Pod | default dict -}}
{{- $inbound := compact (list (printf "%d,%d" ($ports.control | int) ($ports.admin | int)) ($init.ignoreInboundPorts | default "") ($pod.skipInboundPorts | default "")) -}}
{{- $outbound := compact (list (ternary $init.kubeAPIServerPorts "" (not (empty $pod.component))) ($init.ignoreOutboundPorts | default "")) -}}
- --incoming-proxy-port={{ $ports.inbound | int }}
- --outgoing-proxy-port={{ $ports.outbound | int }}
- --proxy-uid={{ $global.proxy.uid | int }}
{{- if ge ($global.proxy.gid | int) 0 }}
- --proxy-gid={{ $global.proxy.gid | int }}
{{- end }}
- --inbound-ports-to-ignore={{ join "," $inbound }}
{{- with $outbound }}
- --outbound-ports-to-ignore={{ join "," . }}
{{- end }}
{{- with $init.skipSubnets }}
- --subnets-to-ignore={{ . }}
{{- end }}
- --iptables-mode={{ $init.iptablesMode }}
- --ipv6={{ $global.enableIPv6 | default false }}
{{- if gt ($init.closeWaitTimeoutSecs | int) 0 }}
- --timeout-close-wait-secs={{ $init.closeWaitTimeoutSecs | int }}
{{- end }}
- --log-level={{ $init.logLevel }}
- --log-format={{ $init.logFormat }}
{{- end -}}
