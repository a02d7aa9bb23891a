{{- /*
Builders of the Grafana dashboards. A dashboard is a list of rows over one range of series (a selector and the
labels to group by), so what success rate, request rate and latency are is written once, here. Strings go through
toJson, so the result is JSON whatever they hold. Legends are written with <label> for Grafana's {{label}}, which
would be an action of this template.
*/ -}}

{{- /* A Grafana legend from one with <label> in it. legend. */ -}}
{{- define "grafana.legend" -}}
{{- .legend | replace "<" (printf "%s%s" "{" "{") | replace ">" (printf "%s%s" "}" "}") | toJson -}}
{{- end -}}

{{- /* The datasource of every panel. */ -}}
{{- define "grafana.datasource" -}}
{"type":"prometheus","uid":"linkerd-prometheus"}
{{- end -}}

{{- /* One query. ref, expr, legend. */ -}}
{{- define "grafana.target" -}}
{"refId":{{ .ref | toJson }},"datasource":{{ include "grafana.datasource" . }},"expr":{{ .expr | toJson }},"legendFormat":{{ include "grafana.legend" . }}}
{{- end -}}

{{- /*
One panel: a graph, or with `stat` one number for each series.
id, x, y, w, h, title, unit, targets (list of [expr, legend]), stat, max (upper end of the axis).
*/ -}}
{{- define "grafana.panel" -}}
{{- $targets := list -}}
{{- range $index, $target := .targets -}}
{{- $targets = append $targets (include "grafana.target" (dict "ref" (printf "q%d" (int $index)) "expr" (index $target 0) "legend" (index $target 1))) -}}
{{- end -}}
{"id":{{ int .id }},"type":{{ ternary "stat" "timeseries" (eq "stat" (.kind | default "")) | toJson }},"title":{{ .title | toJson }},"datasource":{{ include "grafana.datasource" . }},
{{- if eq "stat" (.kind | default "") -}}
"options":{"reduceOptions":{"calcs":["lastNotNull"]},"colorMode":"none"},
{{- else -}}
"options":{"legend":{"displayMode":"table","placement":"bottom","calcs":["lastNotNull"]},"tooltip":{"mode":"multi","sort":"desc"}},
{{- end -}}
"fieldConfig":{"defaults":{"unit":{{ .unit | toJson }},"min":0{{ with .max }},"max":{{ int . }}{{ end }}},"overrides":[]},
{{- /**/ -}}
"gridPos":{"x":{{ int .x }},"y":{{ int .y }},"w":{{ int .w }},"h":{{ int .h }}},"targets":[{{ join "," $targets }}]}
{{- end -}}

{{- /* Share of responses that succeeded. select, by. */ -}}
{{- define "grafana.success" -}}
sum by ({{ .by }}) (rate({{ .prefix | default "" }}response_total{classification="success",{{ .select }}}[$__rate_interval])) / sum by ({{ .by }}) (rate({{ .prefix | default "" }}response_total{ {{- .select -}} }[$__rate_interval]))
{{- end -}}

{{- /* Requests in a second. select, by. */ -}}
{{- define "grafana.rate" -}}
sum by ({{ .by }}) (rate({{ .prefix | default "" }}request_total{ {{- .select -}} }[$__rate_interval]))
{{- end -}}

{{- /* A quantile of latency in milliseconds. select, by, quantile. */ -}}
{{- define "grafana.latency" -}}
histogram_quantile({{ .quantile }}, sum by (le, {{ .by }}) (rate({{ .prefix | default "" }}response_latency_ms_bucket{ {{- .select -}} }[$__rate_interval])))
{{- end -}}

{{- /*
A heading and three panels for requests: success rate, request rate and latency.
title, row (0, 1, …: its place on the page), select, by, legend; prefix of the metrics.
*/ -}}
{{- define "grafana.requests" -}}
{{- $id := mul (int .row) 10 -}}
{{- $y := mul (int .row) 9 -}}
{{- $latency := list -}}
{{- range $quantile := list "50" "95" "99" -}}
{{- $expr := include "grafana.latency" (dict "select" $.select "by" $.by "prefix" $.prefix "quantile" (printf "0.%s" $quantile)) -}}
{{- $latency = append $latency (list $expr (printf "P%s %s" $quantile $.legend)) -}}
{{- end -}}
{{ include "grafana.heading" . }},
{{- include "grafana.panel" (dict "id" (add $id 2) "x" 0 "y" (add $y 1) "w" 8 "h" 8 "title" "Success rate" "unit" "percentunit" "max" 1 "targets" (list (list (include "grafana.success" .) .legend))) -}},
{{- include "grafana.panel" (dict "id" (add $id 3) "x" 8 "y" (add $y 1) "w" 8 "h" 8 "title" "Requests per second" "unit" "reqps" "targets" (list (list (include "grafana.rate" .) .legend))) -}},
{{- include "grafana.panel" (dict "id" (add $id 4) "x" 16 "y" (add $y 1) "w" 8 "h" 8 "title" "Latency" "unit" "ms" "targets" $latency) -}}
{{- end -}}

{{- /* A heading and three panels for TCP: open connections, bytes read, bytes written. As grafana.requests. */ -}}
{{- define "grafana.tcp" -}}
{{- $graphs := list
  (list "Open connections" "short" (printf "sum by (%s) (tcp_open_connections{%s})" .by .select))
  (list "Bytes read per second" "Bps" (printf "sum by (%s) (rate(tcp_read_bytes_total{%s}[$__rate_interval]))" .by .select))
  (list "Bytes written per second" "Bps" (printf "sum by (%s) (rate(tcp_write_bytes_total{%s}[$__rate_interval]))" .by .select)) -}}
{{- include "grafana.graphs" (dict "title" .title "row" .row "legend" .legend "graphs" $graphs) -}}
{{- end -}}

{{- /* The heading of a row. row, title. */ -}}
{{- define "grafana.heading" -}}
{"id":{{ add (mul (int .row) 10) 1 }},"type":"row","title":{{ .title | toJson }},"collapsed":false,"gridPos":{"x":0,"y":{{ mul (int .row) 9 }},"w":24,"h":1},"panels":[]}
{{- end -}}

{{- /*
A heading and one panel for each expression, side by side.
title, row, legend, graphs (list of [title, unit, expr]); kind (stat: numbers, not graphs).
*/ -}}
{{- define "grafana.graphs" -}}
{{- $width := div 24 (len .graphs) -}}
{{ include "grafana.heading" . }}
{{- range $index, $graph := .graphs -}}
,{{- include "grafana.panel" (dict "id" (add (mul (int $.row) 10) (int $index) 2) "x" (mul (int $index) $width) "y" (add (mul (int $.row) 9) 1) "w" $width "h" 8 "title" (index $graph 0) "unit" (index $graph 1) "kind" $.kind "targets" (list (list (index $graph 2) $.legend))) -}}
{{- end -}}
{{- end -}}

{{- /* A variable of a dashboard, filled from a label of a metric. name, label, metric (with its selector). */ -}}
{{- define "grafana.variable" -}}
{{- $query := printf "label_values(%s, %s)" .metric .label | toJson -}}
{"name":{{ .name | toJson }},"type":"query","datasource":{{ include "grafana.datasource" . }},"query":{{ $query }},"definition":{{ $query }},"refresh":2,"sort":1,"includeAll":false,"multi":false}
{{- end -}}

{{- /* The variable `kind`: the label of a workload's kind. */ -}}
{{- define "grafana.kind-variable" -}}
{"name":"kind","type":"custom","query":"deployment,statefulset,daemonset,k8s_job,cronjob,replicaset,replicationcontroller","current":{"text":"deployment","value":"deployment"},"includeAll":false,"multi":false}
{{- end -}}

{{- /* A dashboard. uid, title, variables and rows (lists of JSON texts). */ -}}
{{- define "grafana.dashboard" -}}
{"uid":{{ .uid | toJson }},"title":{{ .title | toJson }},"tags":["linkerd"],"schemaVersion":39,"version":1,"editable":false,"refresh":"30s","time":{"from":"now-15m","to":"now"},"timezone":"browser","templating":{"list":[{{ join "," .variables }}]},"annotations":{"list":[]},
{{- /**/ -}}
"links":[{"type":"dashboards","title":"Linkerd","tags":["linkerd"],"asDropdown":true,"includeVars":false,"keepTime":true}],"panels":[{{ join "," .rows }}]}
{{- end -}}

{{- /*
The dashboard of one workload. kind (what the user calls it), label (its label in the metrics; may itself be a
variable of the dashboard), legend, more (further variables, before the others).
*/ -}}
{{- define "grafana.workload" -}}
{{- $own := printf `namespace="$namespace",%s="$%s"` .label .kind -}}
{{- $to := printf `dst_namespace="$namespace",dst_%s="$%s"` .label .kind -}}
{{- $variables := concat (.more | default list) (list
  (include "grafana.variable" (dict "name" "namespace" "label" "namespace" "metric" (printf `process_start_time_seconds{%s!=""}` .label)))
  (include "grafana.variable" (dict "name" .kind "label" .label "metric" (printf `process_start_time_seconds{namespace="$namespace",%s!=""}` .label)))) -}}
{{- $rows := list
  (include "grafana.requests" (dict "row" 0 "title" "Requests in" "select" (printf `direction="inbound",%s` $own) "by" (printf "namespace, %s" .label) "legend" .legend))
  (include "grafana.requests" (dict "row" 1 "title" "Requests in, by client" "select" (printf `direction="outbound",%s` $to) "by" "namespace, pod" "legend" "<namespace>/<pod>"))
  (include "grafana.requests" (dict "row" 2 "title" "Requests out, by destination" "select" (printf `direction="outbound",%s` $own) "by" "dst_namespace, dst_service" "legend" "<dst_namespace>/<dst_service>"))
  (include "grafana.tcp" (dict "row" 3 "title" "TCP" "select" $own "by" "direction, peer" "legend" "<direction> <peer>")) -}}
{{- include "grafana.dashboard" (dict "uid" (printf "linkerd-%s" .kind) "title" (printf "Linkerd %s" .kind) "variables" $variables "rows" $rows) -}}
{{- end -}}

{{- /*
grafana.ini. Grafana is reached through the dashboard, which passes /grafana on as it is, by whoever may reach the
dashboard; there are no users of its own, and everybody may look but change nothing. Values.
*/ -}}
{{- define "grafana.ini" -}}
[server]
root_url = %(protocol)s://%(domain)s/grafana/
serve_from_sub_path = true

[auth]
disable_login_form = true

[auth.anonymous]
enabled = true
org_role = Viewer

[auth.basic]
enabled = false

[dashboards]
default_home_dashboard_path = /var/lib/grafana-dashboards/top-line.json

[analytics]
check_for_updates = false
check_for_plugin_updates = false
reporting_enabled = false

[plugins]
preinstall_disabled = true

[log]
mode = console
{{- end -}}

{{- /* datasources.yaml: the Prometheus that the rest of the control plane queries too, if there is one. Values. */ -}}
{{- define "grafana.datasources" -}}
apiVersion: 1
{{- with include "linkerd.prometheusUrl" . }}
datasources:
- name: prometheus
  uid: linkerd-prometheus
  type: prometheus
  access: proxy
  url: {{ . | quote }}
  isDefault: true
  editable: false
  jsonData:
    httpMethod: POST
    timeInterval: {{ $.Values.prometheus.globalConfig.scrape_interval | quote }}
{{- else }}
datasources: []
{{- end }}
{{- end -}}
