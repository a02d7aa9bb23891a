{{- /*
partials.debug: the container linkerd-debug with network tools, as one container. Takes the dict described in
_proxy.tpl.
*/ -}}
{{- define "partials.debug" -}}
{{- $image := (.Values.global.debugContainer | default dict).image -}}
name: linkerd-debug
image: {{ include "linkerd.image" (dict "Values" .Values "image" $image "short" "debug") }}
imagePullPolicy: {{ include "linkerd.pullPolicy" (dict "Values" .Values "image" $image) }}
terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}
