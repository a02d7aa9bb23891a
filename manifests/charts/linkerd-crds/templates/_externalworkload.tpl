{{/*
Columns, status and schema of a version of ExternalWorkload. tls (name of the field with the identity), addresses (how
many it may have).
*/}}
{{- define "crds.externalWorkload" -}}
subresources:
  status: {}
additionalPrinterColumns:
  - name: Identity
    description: Identity of the workload.
    type: string
    jsonPath: .spec.{{ .tls }}.identity
  - name: Age
    type: date
    jsonPath: .metadata.creationTimestamp
schema:
  openAPIV3Schema:
    description: A workload outside the cluster that takes part in the mesh with a proxy of its own.
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
        description: Where the workload is and who it is.
        type: object
        required:
          - {{ .tls }}
        properties:
          {{ .tls }}:
            description: How the workload shows who it is.
            type: object
            required:
              - identity
              - serverName
            properties:
              identity:
                description: Identity in its certificate, a DNS name or SPIFFE URI; peers verify it.
                type: string
                minLength: 1
                maxLength: 253
              serverName:
                description: DNS name under which it accepts TLS (SNI).
                type: string
                minLength: 1
                maxLength: 253
          ports:
            description: Ports it serves.
            type: array
            items:
              type: object
              required:
                - port
              properties:
                name:
                  description: Name by which services refer to the port; each name once.
                  type: string
                port:
                  description: Number of the port.
                  type: integer
                  format: int32
                  minimum: 1
                  maximum: 65535
                protocol:
                  description: TCP or UDP.
                  type: string
                  default: TCP
          workloadIPs:
            description: Addresses under which it is reached, at most one of each family.
            type: array
            maxItems: {{ .addresses }}
            items:
              type: object
              properties:
                ip:
                  description: An IP address.
                  type: string
      status:
        description: How the workload is.
        type: object
        properties:
          conditions:
            description: For instance Ready; only then does it receive traffic.
            type: array
            items:
              type: object
              required:
                - type
                - status
              properties:
                {{- include "crds.condition" dict | nindent 16 }}
                lastProbeTime:
                  description: When the workload was last asked.
                  type: string
                  format: date-time
{{- end -}}
