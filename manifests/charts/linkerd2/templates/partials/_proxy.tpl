{{- /*
partials.proxy: the sidecar container linkerd-proxy, as one container (no list dash, unindented).

Every template in this folder takes the same dict:

  Values   the values of the chart linkerd2, complete. For one workload, whatever its annotations
           config.linkerd.io/* say has been written over global.proxy, global.proxyInit and global.debugContainer.
  Pod      what is known of the pod; every key may be absent or empty:
    component             component of the control plane whose pod this is; its own services are then on localhost
    workload              name of the owning workload, the name of the service in spans
    inboundPorts          ports that the containers declare, comma list; global.proxy.podInboundPorts wins
    defaultInboundPolicy  policy until the policy API answers; instead of global.proxy.defaultInboundPolicy
    resources             instead of global.proxy.resources, when not empty
    capabilities          instead of global.proxy.capabilities, when not empty
    skipInboundPorts      further incoming ports that are not redirected, comma list
    initCapabilities      further `add` and `drop` for linkerd-init

With a native sidecar (partials.native) the container belongs at the end of those of the mesh in initContainers; else it
is the first of the containers, so that `await` holds the others back.
*/ -}}
{{- define "partials.proxy" -}}
{{- $global := .Values.global -}}
{{- $proxy := $global.proxy -}}
{{- $pod := .Pod | default dict -}}
name: linkerd-proxy
image: {{ include "linkerd.image" (dict "Values" .Values "image" $proxy.image "short" "proxy") }}
imagePullPolicy: {{ include "linkerd.pullPolicy" (dict "Values" .Values "image" $proxy.image) }}
{{- if include "partials.native" . }}
restartPolicy: Always
{{- end }}
env:
  {{- include "partials.proxy.env" . | nindent 2 }}
ports:
  - containerPort: {{ $proxy.ports.inbound | int }}
    name: linkerd-proxy
  - containerPort: {{ $proxy.ports.admin | int }}
    name: linkerd-admin
{{ include "partials.proxy.probes" . }}
{{- with include "partials.proxy.lifecycle" . }}
lifecycle:
  {{- . | nindent 2 }}
{{- end }}
{{- with include "linkerd.resources" (dict "resources" ($pod.resources | default $proxy.resources)) }}
{{ . }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  {{- with $pod.capabilities | default $proxy.capabilities }}
  capabilities:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  readOnlyRootFilesystem: true
  {{- if ge ($proxy.gid | int) 0 }}
  runAsGroup: {{ $proxy.gid | int }}
  {{- end }}
  runAsNonRoot: true
  runAsUser: {{ $proxy.uid | int }}
  seccompProfile:
    type: RuntimeDefault
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - mountPath: /var/run/linkerd/identity/end-entity
    name: linkerd-identity-end-entity
  - mountPath: /var/run/secrets/tokens
    name: linkerd-identity-token
  {{- if include "partials.trace.collector" . }}
  - mountPath: /var/run/linkerd/podinfo
    name: podinfo
  {{- end }}
{{- end -}}

{{- /*
Probes; the startup probe holds back the containers after a native sidecar. A delay of 0 is left out: the API server
drops it, and every later `kubectl apply` would find a difference.
*/ -}}
{{- define "partials.proxy.probes" -}}
{{- $proxy := .Values.global.proxy -}}
livenessProbe:
  httpGet:
    path: /live
    port: {{ $proxy.ports.admin | int }}
  {{- with $proxy.livenessProbe.initialDelaySeconds | int }}
  initialDelaySeconds: {{ . }}
  {{- end }}
  timeoutSeconds: {{ $proxy.livenessProbe.timeoutSeconds | int }}
readinessProbe:
  httpGet:
    path: /ready
    port: {{ $proxy.ports.admin | int }}
  {{- with $proxy.readinessProbe.initialDelaySeconds | int }}
  initialDelaySeconds: {{ . }}
  {{- end }}
  timeoutSeconds: {{ $proxy.readinessProbe.timeoutSeconds | int }}
{{- if include "partials.native" . }}
startupProbe:
  failureThreshold: {{ $proxy.startupProbe.failureThreshold | int }}
  httpGet:
    path: /ready
    port: {{ $proxy.ports.admin | int }}
  {{- with $proxy.startupProbe.initialDelaySeconds | int }}
  initialDelaySeconds: {{ . }}
  {{- end }}
  periodSeconds: {{ $proxy.startupProbe.periodSeconds | int }}
{{- end }}
{{- end -}}

{{- /* Content of `lifecycle`, empty when there is none. */ -}}
{{- define "partials.proxy.lifecycle" -}}
{{- $proxy := .Values.global.proxy -}}
{{- if include "partials.await" . -}}
postStart:
  exec:
    command:
      - /linkerd2-proxy
      - await
      - --port={{ $proxy.ports.admin | int }}
      - --timeout=2m
{{ end -}}
{{- if gt ($proxy.waitBeforeExitSeconds | int) 0 -}}
preStop:
  sleep:
    seconds: {{ $proxy.waitBeforeExitSeconds | int }}
{{- end -}}
{{- end -}}

{{- /*
partials.native: "yes" when the proxy is a native sidecar, else empty. Beside `identity` it never is: the proxy is
ready once it has a certificate, which it gets from the very container that would have to wait for it.
*/ -}}
{{- define "partials.native" -}}
{{- if and .Values.global.proxy.nativeSidecar (ne ((.Pod | default dict).component | default "") "identity") -}}
yes
{{- end -}}
{{- end -}}

{{- /* partials.await: "yes" when the containers after an ordinary proxy container wait for it, else empty. */ -}}
{{- define "partials.await" -}}
{{- if and .Values.global.proxy.await (not .Values.global.proxy.nativeSidecar) (ne ((.Pod | default dict).component | default "") "identity") -}}
yes
{{- end -}}
{{- end -}}
