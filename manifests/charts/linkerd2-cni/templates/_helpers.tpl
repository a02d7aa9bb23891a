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
