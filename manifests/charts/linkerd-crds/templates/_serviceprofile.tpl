{{/*
Schema of a ServiceProfile. routesRequired (yes: as in v1alpha1). Conditions nest without limit, which a schema
cannot say: their first level is described, what is below is kept as it is and checked by the validator.
*/}}
{{- define "crds.serviceProfile" -}}
description: Routes of one service, named by its DNS name, and how requests on them are treated.
type: object
properties:
  apiVersion:
    type: string
  kind:
    type: string
  metadata:
    type: object
  spec:
    description: The routes and what applies to the service as a whole.
    type: object
    {{- if .routesRequired }}
    required:
      - routes
    {{- end }}
    properties:
      routes:
        description: Routes in order; the first whose condition holds gives a request its name.
        type: array
        items:
          type: object
          required:
            - name
            - condition
          properties:
            name:
              description: Name of the route, as metrics show it.
              type: string
            condition:
              description: Which requests belong to the route.
              type: object
              properties:
                method:
                  description: HTTP method.
                  type: string
                pathRegex:
                  description: Regular expression that the whole path matches.
                  type: string
                {{- include "crds.nested" (dict "what" "request") | nindent 16 }}
                not:
                  description: Conditions on the request that must not hold.
                  type: array
                  items:
                    type: object
                    x-kubernetes-preserve-unknown-fields: true
            isRetryable:
              description: Whether a failed request may be sent again, within the retry budget.
              type: boolean
            timeout:
              description: Longest time until the end of the response, retries included, for instance 300ms.
              type: string
            responseClasses:
              description: Which responses count as failures; without any, those with a status of 500 and above do.
              type: array
              items:
                type: object
                required:
                  - condition
                properties:
                  condition:
                    description: Which responses belong to the class.
                    type: object
                    properties:
                      status:
                        description: Range of HTTP status codes, both ends included.
                        type: object
                        properties:
                          min:
                            description: Lowest status; the same as max when absent.
                            type: integer
                            format: int32
                          max:
                            description: Highest status; the same as min when absent.
                            type: integer
                            format: int32
                      {{- include "crds.nested" (dict "what" "response") | nindent 22 }}
                      not:
                        description: A condition on the response that must not hold.
                        type: object
                        x-kubernetes-preserve-unknown-fields: true
                  isFailure:
                    description: Whether responses of the class count as failures.
                    type: boolean
      retryBudget:
        description: How many retries may be added to the requests of the service.
        type: object
        required:
          - retryRatio
          - minRetriesPerSecond
          - ttl
        properties:
          retryRatio:
            description: Retries for each original request, for instance 0.2.
            type: number
            format: float
          minRetriesPerSecond:
            description: Retries a second that are always allowed, besides the ratio.
            type: integer
            format: int32
          ttl:
            description: For how long requests count towards the ratio, for instance 10s.
            type: string
      dstOverrides:
        description: Destinations that take the place of the service, by weight.
        type: array
        items:
          type: object
          properties:
            authority:
              description: DNS name and port of the destination.
              type: string
            weight:
              description: Share of the traffic, relative to the sum of all weights.
              x-kubernetes-int-or-string: true
      opaquePorts:
        description: Ports of the service whose protocol is not looked at.
        type: array
        items:
          type: string
{{- end -}}

{{/* Properties `all` and `any` of a condition. what (request, response). */}}
{{- define "crds.nested" -}}
all:
  description: Conditions on the {{ .what }} that must all hold.
  type: array
  items:
    type: object
    x-kubernetes-preserve-unknown-fields: true
any:
  description: Conditions on the {{ .what }} of which one must hold.
  type: array
  items:
    type: object
    x-kubernetes-preserve-unknown-fields: true
{{- end -}}
