{{- /*
What a meshed pod holds beside its own containers. Each takes the dict described in _proxy.tpl.

partials.volumes: the volumes of the mesh's containers, as a list.
*/ -}}
{{- define "partials.volumes" -}}
- emptyDir:
    medium: Memory
  name: linkerd-identity-end-entity
- name: linkerd-identity-token
  projected:
    sources:
      - serviceAccountToken:
          audience: identity.l5d.io
          expirationSeconds: 86400
          path: linkerd-identity-token
{{- if and (not .Values.global.cniEnabled) (ne .Values.global.proxyInit.iptablesMode "nft") }}
- emptyDir: {}
  name: linkerd-proxy-init-xtables-lock
{{- end }}
{{- if include "partials.trace.collector" . }}
- downwardAPI:
    items:
      - fieldRef:
          apiVersion: v1
          fieldPath: metadata.labels
        path: labels
  name: podinfo
{{- end }}
{{- end -}}

{{- /* partials.initContainers: the mesh's init containers in their order, as a list; never empty. */ -}}
{{- define "partials.initContainers" -}}
{{- if .Values.global.cniEnabled -}}
- {{ include "partials.network-validator" . | nindent 2 | trim }}
{{- else -}}
- {{ include "partials.proxy-init" . | nindent 2 | trim }}
{{- end }}
{{- if include "partials.native" . }}
- {{ include "partials.proxy" . | nindent 2 | trim }}
{{- end }}
{{- end -}}

{{- /* partials.containers: the mesh's ordinary containers, as a list; empty with a native sidecar. They go first. */ -}}
{{- define "partials.containers" -}}
{{- if not (include "partials.native" .) -}}
- {{ include "partials.proxy" . | nindent 2 | trim }}
{{- end }}
{{- end -}}

{{- /*
partials.apiAccess.volume and .mount: the ServiceAccount's token for the Kubernetes API, as list items. Pods of the
control plane mount it into the one container that needs it, not into the proxy.
*/ -}}
{{- define "partials.apiAccess.volume" -}}
- name: kube-api-access
  projected:
    defaultMode: 420
    sources:
      - serviceAccountToken:
          expirationSeconds: 3607
          path: token
      - configMap:
          items:
            - key: ca.crt
              path: ca.crt
          name: kube-root-ca.crt
      - downwardAPI:
          items:
            - fieldRef:
                apiVersion: v1
                fieldPath: metadata.namespace
              path: namespace
{{- end -}}
{{- define "partials.apiAccess.mount" -}}
- mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  name: kube-api-access
  readOnly: true
{{- end -}}
