{{- /* Metadata of the profile of a Service. Values, service. */ -}}
{{- define "sp.metadata" -}}
name: {{ printf "%s.%s.svc.%s" .service .Values.namespace .Values.clusterDomain }}
namespace: {{ .Values.namespace | quote }}
labels:
  linkerd.io/control-plane-ns: {{ .Values.namespace | quote }}
{{- end -}}

{{- /* A route for requests with one method and a pattern of paths. name, method, path. */ -}}
{{- define "sp.route" -}}
- name: {{ .name | quote }}
  condition:
    method: {{ .method }}
    pathRegex: {{ .path | quote }}
{{- end -}}
