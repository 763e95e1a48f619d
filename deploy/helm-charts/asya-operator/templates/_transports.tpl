{{- /* Both places are read; one thing said in both must be said alike. */ -}}
{{- define "asya-operator.transports" -}}
{{- $nested := .Values.operator.transports | default dict -}}
{{- $all := merge (deepCopy (.Values.transports | default dict)) (deepCopy $nested) -}}
{{- range $name, $_ := $nested -}}
{{- if and (hasKey ($.Values.transports | default dict) $name) (ne (toJson (get $.Values.transports $name)) (toJson (get $nested $name))) -}}
{{- fail (printf "transports.%s and operator.transports.%s differ: give one of them" $name $name) -}}
{{- end -}}
{{- end -}}
{{- if not $all -}}
{{- $queues := dict "autoCreate" true "dlq" (dict "enabled" true) -}}
{{- $all = dict "sqs" (dict "type" "sqs" "enabled" true "config" (dict "region" "us-east-1" "queues" $queues)) -}}
{{- end -}}
{{- range $name, $transport := $all -}}
{{- $all = set $all $name (merge (deepCopy $transport) (dict "enabled" true)) -}}
{{- end -}}
{{- dict "transports" $all | toPrettyJson -}}
{{- end }}

{{- define "asya-operator.gatewayURL" -}}
{{- $urls := compact (list .Values.gatewayURL .Values.operator.gatewayURL) | uniq -}}
{{- if gt (len $urls) 1 -}}{{- fail "gatewayURL and operator.gatewayURL differ: give one of them" -}}{{- end -}}
{{- first $urls | default "" -}}
{{- end }}
