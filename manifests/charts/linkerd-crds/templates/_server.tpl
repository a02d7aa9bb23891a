{{/* Schema of a Server. version. External workloads came with v1beta2, accessPolicy with v1beta3. */}}
{{- define "crds.server" -}}
{{- $external := has .version (list "v1beta2" "v1beta3") -}}
description: A port of the selected workloads, to which authorizations and routes attach.
type: object
required:
  - spec
properties:
  apiVersion:
    type: string
  kind:
    type: string
  metadata:
    type: object
  spec:
    description: Which workloads, which port, which protocol.
    type: object
    {{- if $external }}
    required:
      - port
    oneOf:
      - required:
          - podSelector
      - required:
          - externalWorkloadSelector
    {{- else }}
    required:
      - podSelector
      - port
    {{- end }}
    properties:
      podSelector:
        {{- include "crds.labelSelector" (dict "description" "Pods of the same namespace; an empty selector means all.") | nindent 8 }}
      {{- if $external }}
      externalWorkloadSelector:
        {{- include "crds.labelSelector" (dict "description" "External workloads of the same namespace; an empty selector means all.") | nindent 8 }}
      {{- end }}
      port:
        description: Number of the port, or its name in the specification of the workload.
        x-kubernetes-int-or-string: true
      proxyProtocol:
        description: Protocol spoken on the port. With unknown the proxy finds out by itself; with opaque it does not look.
        type: string
        default: unknown
        {{- if eq .version "v1beta3" }}
        enum:
          - unknown
          - HTTP/1
          - HTTP/2
          - gRPC
          - opaque
          - TLS
        {{- end }}
      {{- if eq .version "v1beta3" }}
      accessPolicy:
        description: What applies to clients that no authorization names.
        type: string
        default: deny
        enum:
          - deny
          - audit
          - all-unauthenticated
          - all-authenticated
          - cluster-unauthenticated
          - cluster-authenticated
      {{- end }}
{{- end -}}
