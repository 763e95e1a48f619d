{{- define "asya-crew.container" -}}
{{- dig "template" "spec" "containers" (list dict) (.workload | default dict) | first | default dict | toJson -}}
{{- end }}
