{{- /* Where callers from outside reach it; empty where nobody does. */ -}}
{{- define "asya-gateway.publicURL" -}}
{{- $way := default (dict) .Values.ingress -}}
{{- if .Values.config.publicURL -}}
{{ .Values.config.publicURL }}
{{- else if and $way.enabled $way.hosts -}}
{{ ternary "https" "http" (not (empty $way.tls)) }}://{{ (first $way.hosts).host }}
{{- end -}}
{{- end }}
