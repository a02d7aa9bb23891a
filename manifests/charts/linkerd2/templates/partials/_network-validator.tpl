{{- /*
partials.network-validator: the init container that proves that the CNI plugin redirected the pod, as one
container. It listens where the proxy will and dials an address that nobody has; unless it hears itself it exits
with 95, upon which the plugin's repairer acts. It runs as another user than the proxy, whose traffic is left alone.
Takes the dict described in _proxy.tpl.
*/ -}}
{{- define "partials.network-validator" -}}
{{- $global := .Values.global -}}
{{- $validator := $global.networkValidator -}}
name: linkerd-network-validator
image: {{ include "linkerd.image" (dict "Values" .Values "image" $global.proxy.image "short" "proxy") }}
imagePullPolicy: {{ include "linkerd.pullPolicy" (dict "Values" .Values "image" $global.proxy.image) }}
args:
  - validate-network
  - --connect-addr={{ $validator.connectAddr }}
  - --listen-addr={{ ternary "[::]" "0.0.0.0" $global.enableIPv6 }}:{{ $global.proxy.ports.outbound | int }}
  - --timeout={{ $validator.timeout }}
  - --log-level={{ $validator.logLevel }}
  - --log-format={{ $validator.logFormat }}
{{- with include "linkerd.resources" (dict "resources" $global.proxyInit.resources) }}
{{ . }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    drop:
      - ALL
  readOnlyRootFilesystem: true
  runAsGroup: 65534
  runAsNonRoot: true
  runAsUser: 65534
  seccompProfile:
    type: RuntimeDefault
terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}
