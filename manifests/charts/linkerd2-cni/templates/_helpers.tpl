{{/* Names the program that rendered the manifest: the command, or Helm. */}}
{{- define "cni.created-by" -}}
{{- if .Values.cliVersion -}}
linkerd/cli {{ .Values.cliVersion }}
{{- else -}}
linkerd/helm {{ .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Labels of every object of the chart. */}}
{{- define "cni.labels" -}}
linkerd.io/cni-resource: "true"
{{- range $name, $value := .Values.commonLabels }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "cni.image" -}}
{{ .Values.cniPluginImage }}:{{ .Values.cniPluginVersion | default .Chart.AppVersion }}
{{- end -}}

{{/* Elements of a JSON list of strings from a comma-separated text, appended to the list given as `first`. */}}
{{- define "cni.json-strings" -}}
{{- $items := .first -}}
{{- range splitList "," (.text | toString) -}}
{{- if trim . -}}
{{- $items = append $items (trim .) -}}
{{- end -}}
{{- end -}}
{{- $items | toJson -}}
{{- end -}}

{{/* Elements of a JSON list of numbers from a comma-separated text. */}}
{{- define "cni.json-numbers" -}}
{{- $items := list -}}
{{- range splitList "," (.text | toString) -}}
{{- if trim . -}}
{{- $items = append $items (trim . | int) -}}
{{- end -}}
{{- end -}}
{{- $items | toJson -}}
{{- end -}}

{{/* Requests and limits that are set; nothing at all when none is. */}}
{{- define "cni.resources" -}}
{{- $requests := dict -}}
{{- $limits := dict -}}
{{- range $name := list "cpu" "memory" "ephemeral-storage" -}}
{{- $quantity := index $ $name -}}
{{- if $quantity -}}
{{- if $quantity.request -}}
{{- $requests = merge $requests (dict $name ($quantity.request | toString)) -}}
{{- end -}}
{{- if $quantity.limit -}}
{{- $limits = merge $limits (dict $name ($quantity.limit | toString)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if or $requests $limits -}}
resources:
{{- if $limits }}
  limits:
{{- toYaml $limits | nindent 4 }}
{{- end }}
{{- if $requests }}
  requests:
{{- toYaml $requests | nindent 4 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* The entry that the installer appends to the node's list of plugins. */}}
{{- define "cni.network-config" -}}
{{- $ownPorts := list (printf "%d" (int .Values.proxyControlPort)) (printf "%d" (int .Values.proxyAdminPort)) -}}
{
  "name": "linkerd-cni",
  "type": "linkerd-cni",
  "log_level": {{ .Values.logLevel | toJson }},
  "policy": {
    "type": "k8s",
    "k8s_api_root": "https://__KUBERNETES_SERVICE_HOST__:__KUBERNETES_SERVICE_PORT__"
  },
  "kubernetes": {
    "kubeconfig": "__KUBECONFIG_FILEPATH__"
  },
  "linkerd": {
    "incoming-proxy-port": {{ int .Values.inboundProxyPort }},
    "outgoing-proxy-port": {{ int .Values.outboundProxyPort }},
    "proxy-uid": {{ int .Values.proxyUID }},
    "proxy-gid": {{ int .Values.proxyGID }},
    "ports-to-redirect": {{ include "cni.json-numbers" (dict "text" .Values.portsToRedirect) }},
    "inbound-ports-to-ignore": {{ include "cni.json-strings" (dict "first" $ownPorts "text" .Values.ignoreInboundPorts) }},
    "outbound-ports-to-ignore": {{ include "cni.json-strings" (dict "first" list "text" .Values.ignoreOutboundPorts) }},
    "subnets-to-ignore": {{ include "cni.json-strings" (dict "first" list "text" .Values.skipSubnets) }},
    "iptables-mode": {{ .Values.iptablesMode | toJson }},
    "ipv6": {{ not .Values.disableIPv6 }},
    "simulate": false,
    "use-wait-flag": {{ .Values.useWaitFlag }}
  }
}
{{- end -}}
