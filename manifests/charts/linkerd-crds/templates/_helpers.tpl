{{/*
Parts of schemas that several kinds share, and the metadata of every definition. Each takes one dict and prints its
lines unindented: use `include … | nindent N`.
*/}}

{{/* Content of `metadata`. Values, Chart, name. */}}
{{- define "crds.metadata" -}}
name: {{ .name }}
labels:
  linkerd.io/control-plane-ns: {{ .Values.global.namespace | quote }}
annotations:
  {{- if .Values.global.cliVersion }}
  linkerd.io/created-by: {{ printf "linkerd/cli %s" .Values.global.cliVersion }}
  {{- else }}
  linkerd.io/created-by: {{ printf "linkerd/helm %s" .Chart.AppVersion }}
  {{- end }}
{{- end -}}

{{/* A label selector. description. */}}
{{- define "crds.labelSelector" -}}
description: {{ .description }}
type: object
properties:
  matchLabels:
    description: Labels that must be present with exactly these values.
    type: object
    additionalProperties:
      type: string
  matchExpressions:
    description: Conditions that must all hold, beside matchLabels.
    type: array
    items:
      type: object
      required:
        - key
        - operator
      properties:
        key:
          description: Name of the label.
          type: string
        operator:
          description: How the label is compared with the values.
          type: string
          enum:
            - In
            - NotIn
            - Exists
            - DoesNotExist
        values:
          description: Values for In and NotIn; none for the others.
          type: array
          items:
            type: string
{{- end -}}

{{/* Properties of a reference to another object. namespaced (yes: it may lie in another namespace). */}}
{{- define "crds.reference" -}}
group:
  description: API group of the kind; empty for the core group.
  type: string
  maxLength: 253
  pattern: ^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$
kind:
  description: Kind of the object.
  type: string
  minLength: 1
  maxLength: 63
  pattern: ^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$
name:
  description: Name of the object.
  type: string
  minLength: 1
  maxLength: 253
{{- if .namespaced }}
namespace:
  description: Namespace of the object; that of this resource when absent.
  type: string
  maxLength: 253
{{- end }}
{{- end -}}

{{/* Items of a list of networks. */}}
{{- define "crds.network" -}}
type: object
required:
  - cidr
properties:
  cidr:
    description: Network in CIDR notation, or one address.
    type: string
  except:
    description: Parts of the network that are left out, in the same notation.
    type: array
    items:
      type: string
{{- end -}}

{{/* Properties of a condition in a status. */}}
{{- define "crds.condition" -}}
type:
  description: What the condition is about, for instance Accepted.
  type: string
  maxLength: 316
status:
  description: Whether it holds.
  type: string
  enum:
    - "True"
    - "False"
    - Unknown
reason:
  description: Why, as one word for programs.
  type: string
  maxLength: 1024
message:
  description: Why, as a sentence for people.
  type: string
  maxLength: 32768
lastTransitionTime:
  description: When the status last changed.
  type: string
  format: date-time
{{- end -}}

{{/* A number of requests a second, without its description. */}}
{{- define "crds.limit" -}}
type: object
required:
  - requestsPerSecond
properties:
  requestsPerSecond:
    description: Requests a second.
    type: integer
    format: int64
    minimum: 1
{{- end -}}
