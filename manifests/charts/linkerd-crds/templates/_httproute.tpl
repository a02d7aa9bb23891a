{{/* Schema of an HTTPRoute of the mesh's own group. version. Timeouts came with v1beta3. */}}
{{- define "crds.httpRoute" -}}
description: What happens to HTTP requests to the parents, by host, path, method, headers and query.
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
    description: Parents, hosts and rules.
    type: object
    properties:
      parentRefs:
        description: What the route attaches to, a Server, Service or EgressNetwork.
        type: array
        maxItems: 32
        items:
          type: object
          required:
            - name
          properties:
            {{- include "crds.parentReference" dict | nindent 12 }}
      hostnames:
        description: Hosts the route is for; a leading * stands for one or more labels. All hosts when absent.
        type: array
        maxItems: 16
        items:
          type: string
          minLength: 1
          maxLength: 253
          pattern: ^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$
      rules:
        description: Rules; the most specific match among them wins.
        type: array
        maxItems: 16
        default:
          - matches:
              - path:
                  type: PathPrefix
                  value: /
        items:
          type: object
          properties:
            matches:
              description: Which requests the rule is for; one of these must hold.
              type: array
              maxItems: 8
              default:
                - path:
                    type: PathPrefix
                    value: /
              items:
                {{- include "crds.httpMatch" dict | nindent 16 }}
            filters:
              description: What is done to these requests, in order.
              type: array
              maxItems: 16
              items:
                {{- include "crds.httpFilter" dict | nindent 16 }}
            backendRefs:
              description: Where these requests go, by weight; to the parent itself when absent.
              type: array
              maxItems: 16
              items:
                {{- include "crds.httpBackend" dict | nindent 16 }}
            {{- if eq .version "v1beta3" }}
            timeouts:
              description: How long these requests may take.
              type: object
              properties:
                request:
                  description: Longest time until the end of the response, retries included; 0s means no limit.
                  type: string
                  format: duration
                backendRequest:
                  description: Longest time of a single attempt; 0s means no limit.
                  type: string
                  format: duration
            {{- end }}
  status:
    description: What controllers made of the route, for each parent.
    type: object
    required:
      - parents
    properties:
      parents:
        description: One entry for each parent and controller.
        type: array
        maxItems: 32
        items:
          type: object
          required:
            - controllerName
            - parentRef
          properties:
            controllerName:
              description: Who judged, as a domain and a path.
              type: string
              minLength: 1
              maxLength: 253
            parentRef:
              description: The parent it was judged for.
              type: object
              required:
                - name
              properties:
                {{- include "crds.parentReference" dict | nindent 16 }}
            conditions:
              description: Whether the route is in force there.
              type: array
              minItems: 1
              maxItems: 8
              x-kubernetes-list-type: map
              x-kubernetes-list-map-keys:
                - type
              items:
                type: object
                required:
                  - type
                  - status
                  - reason
                  - message
                  - lastTransitionTime
                properties:
                  {{- include "crds.condition" dict | nindent 18 }}
                  observedGeneration:
                    description: Generation of the route that was judged.
                    type: integer
                    format: int64
                    minimum: 0
{{- end -}}

{{/* Properties of a reference to a parent. */}}
{{- define "crds.parentReference" -}}
group:
  description: API group of the parent; empty for the core group.
  type: string
  default: policy.linkerd.io
  maxLength: 253
  pattern: ^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$
kind:
  description: Kind of the parent.
  type: string
  default: Gateway
  minLength: 1
  maxLength: 63
  pattern: ^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$
name:
  description: Name of the parent.
  type: string
  minLength: 1
  maxLength: 253
namespace:
  description: Namespace of the parent; that of the route when absent.
  type: string
  minLength: 1
  maxLength: 63
  pattern: ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$
sectionName:
  description: Name of a part of the parent.
  type: string
  minLength: 1
  maxLength: 253
  pattern: ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$
port:
  description: Port of the parent; all of its ports when absent.
  type: integer
  format: int32
  minimum: 1
  maximum: 65535
{{- end -}}

{{/* A condition on requests. */}}
{{- define "crds.httpMatch" -}}
description: Conditions on a request that must all hold.
type: object
properties:
  path:
    description: Its path, without the query.
    type: object
    default:
      type: PathPrefix
      value: /
    x-kubernetes-validations:
      - rule: self.type == 'RegularExpression' || self.value.startsWith('/')
        message: a path begins with /
    properties:
      type:
        description: How the value is compared; prefixes end at a slash.
        type: string
        default: PathPrefix
        enum:
          - Exact
          - PathPrefix
          - RegularExpression
      value:
        description: The path, prefix or expression.
        type: string
        default: /
        maxLength: 1024
  method:
    description: Its method.
    type: string
    enum:
      - GET
      - HEAD
      - POST
      - PUT
      - DELETE
      - CONNECT
      - OPTIONS
      - TRACE
      - PATCH
  headers:
    description: Its headers; each of these must match.
    {{- include "crds.namedMatches" (dict "name" (include "crds.headerName" dict) "longest" 4096) | nindent 4 }}
  queryParams:
    description: The parameters of its query; each of these must match.
    {{- include "crds.namedMatches" (dict "name" "" "longest" 1024) | nindent 4 }}
{{- end -}}

{{/* A list of comparisons by name, without its description. name (pattern of the name, as a line), longest (value). */}}
{{- define "crds.namedMatches" -}}
type: array
maxItems: 16
x-kubernetes-list-type: map
x-kubernetes-list-map-keys:
  - name
items:
  type: object
  required:
    - name
    - value
  properties:
    name:
      description: The name.
      type: string
      minLength: 1
      maxLength: 256
      {{- with .name }}
      {{ . }}
      {{- end }}
    type:
      description: How the value is compared.
      type: string
      default: Exact
      enum:
        - Exact
        - RegularExpression
    value:
      description: The value or expression.
      type: string
      minLength: 1
      maxLength: {{ .longest }}
{{- end -}}

{{/* The characters that the name of an HTTP header may have. */}}
{{- define "crds.headerName" -}}
pattern: ^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$
{{- end -}}

{{/* Something done to a request or response. */}}
{{- define "crds.httpFilter" -}}
type: object
required:
  - type
x-kubernetes-validations:
  - rule: self.type != 'RequestHeaderModifier' || has(self.requestHeaderModifier)
    message: a filter of type RequestHeaderModifier needs the field requestHeaderModifier
  - rule: self.type != 'ResponseHeaderModifier' || has(self.responseHeaderModifier)
    message: a filter of type ResponseHeaderModifier needs the field responseHeaderModifier
  - rule: self.type != 'RequestRedirect' || has(self.requestRedirect)
    message: a filter of type RequestRedirect needs the field requestRedirect
properties:
  type:
    description: What is done; the field of that name says how.
    type: string
    enum:
      - RequestHeaderModifier
      - ResponseHeaderModifier
      - RequestRedirect
  requestHeaderModifier:
    description: Changes to the headers of the request.
    {{- include "crds.headerModifier" dict | nindent 4 }}
  responseHeaderModifier:
    description: Changes to the headers of the response.
    {{- include "crds.headerModifier" dict | nindent 4 }}
  requestRedirect:
    description: An answer that sends the client elsewhere; what is not given stays as in the request.
    type: object
    properties:
      scheme:
        description: Scheme of the new location.
        type: string
        enum:
          - http
          - https
      hostname:
        description: Host of the new location.
        type: string
        minLength: 1
        maxLength: 253
        pattern: ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$
      path:
        description: Path of the new location.
        type: object
        required:
          - type
        properties:
          type:
            description: Whether all of the path is replaced or the prefix that matched.
            type: string
            enum:
              - ReplaceFullPath
              - ReplacePrefixMatch
          replaceFullPath:
            description: The new path.
            type: string
            maxLength: 1024
          replacePrefixMatch:
            description: The new prefix.
            type: string
            maxLength: 1024
      port:
        description: Port of the new location.
        type: integer
        format: int32
        minimum: 1
        maximum: 65535
      statusCode:
        description: Status of the answer.
        type: integer
        default: 302
        enum:
          - 301
          - 302
{{- end -}}

{{/* Changes to headers, without their description. */}}
{{- define "crds.headerModifier" -}}
type: object
properties:
  set:
    description: Headers that replace those of the same name.
    {{- include "crds.headers" dict | nindent 4 }}
  add:
    description: Headers that are added to those of the same name.
    {{- include "crds.headers" dict | nindent 4 }}
  remove:
    description: Names of headers that are taken away.
    type: array
    maxItems: 16
    items:
      type: string
{{- end -}}

{{/* A list of headers, without its description. */}}
{{- define "crds.headers" -}}
type: array
maxItems: 16
x-kubernetes-list-type: map
x-kubernetes-list-map-keys:
  - name
items:
  type: object
  required:
    - name
    - value
  properties:
    name:
      description: Name of the header; upper and lower case are the same.
      type: string
      minLength: 1
      maxLength: 256
      {{ include "crds.headerName" dict }}
    value:
      description: Its value.
      type: string
      minLength: 1
      maxLength: 4096
{{- end -}}

{{/* Where requests go. */}}
{{- define "crds.httpBackend" -}}
type: object
required:
  - name
properties:
  group:
    description: API group of the backend; empty for the core group.
    type: string
    default: ""
    maxLength: 253
    pattern: ^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$
  kind:
    description: Kind of the backend.
    type: string
    default: Service
    minLength: 1
    maxLength: 63
    pattern: ^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$
  name:
    description: Name of the backend.
    type: string
    minLength: 1
    maxLength: 253
  namespace:
    description: Namespace of the backend; that of the route when absent.
    type: string
    minLength: 1
    maxLength: 63
    pattern: ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$
  port:
    description: Port of the backend; a Service needs one.
    type: integer
    format: int32
    minimum: 1
    maximum: 65535
  weight:
    description: Share of the requests, relative to the sum of all weights; 0 means none.
    type: integer
    format: int32
    default: 1
    minimum: 0
    maximum: 1000000
  filters:
    description: What is done to requests that go here, in order.
    type: array
    maxItems: 16
    items:
      {{- include "crds.httpFilter" dict | nindent 6 }}
{{- end -}}
