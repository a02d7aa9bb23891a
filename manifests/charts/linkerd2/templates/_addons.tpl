{{- /* `securityContext` of a container whose image has a user of its own. Values, user (its id). */ -}}
{{- define "addon.containerSecurityContext" -}}
securityContext:
{{- with .Values.containerSecurityContext }}
{{- toYaml . | nindent 2 }}
{{- end }}
  runAsUser: {{ .user | int }}
{{- end -}}

{{- /* Selector labels of an add-on's Deployment, whose name the user may choose. Values, component, name. */ -}}
{{- define "addon.selector" -}}
{{ include "linkerd.labels" . }}
linkerd.io/proxy-deployment: {{ .name }}
{{- end -}}

{{- /* Labels of its pod template. Values, component, name. */ -}}
{{- define "addon.podLabels" -}}
{{ include "addon.selector" . }}
linkerd.io/workload-ns: {{ .Values.global.namespace | quote }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Its ServiceAccount, as a document. Values, component, name. */ -}}
{{- define "addon.account" -}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "linkerd.metadata" . | nindent 2 }}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* host:port or URL of the Grafana to link to, empty when there is none. Values. */ -}}
{{- define "grafana.address" -}}
{{- if .Values.global.grafanaUrl -}}
{{- .Values.global.grafanaUrl -}}
{{- else if .Values.grafana.enabled -}}
{{- printf "%s:3000" (include "linkerd.serviceName" (dict "Values" .Values "service" .Values.grafana.name)) -}}
{{- end -}}
{{- end -}}
