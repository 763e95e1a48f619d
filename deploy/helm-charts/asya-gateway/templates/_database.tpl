{{- define "asya-gateway.hasDatabase" -}}
{{- $given := list -}}
{{- range .Values.env }}{{ $given = append $given .name }}{{ end -}}
{{- if or .Values.postgresql.enabled .Values.externalDatabase.host .Values.config.existingSecret (has "ASYA_DATABASE_URL" $given) -}}yes{{- end -}}
{{- end }}

{{- define "asya-gateway.replicas" -}}
{{- $database := include "asya-gateway.hasDatabase" . -}}
{{- if kindIs "invalid" .Values.replicaCount -}}
{{- ternary 2 1 (eq $database "yes") -}}
{{- else if and (gt (int .Values.replicaCount) 1) (not $database) -}}
{{- fail "replicaCount: several gateways share a database; give externalDatabase.host, or postgresql.enabled" -}}
{{- else -}}
{{- .Values.replicaCount -}}
{{- end -}}
{{- end }}

{{- /* Without the password where a Secret has it: the database's client reads that from PGPASSWORD. */ -}}
{{- define "asya-gateway.databaseURL" -}}
{{- if and .Values.postgresql.enabled .Values.externalDatabase.host -}}
{{- fail "externalDatabase.host and postgresql.enabled: give one of them" -}}
{{- end -}}
{{- if .Values.postgresql.enabled -}}
{{- with .Values.postgresql.auth -}}
postgresql://{{ urlquery .username }}@{{ include "asya-gateway.fullname" $ }}-postgresql/{{ urlquery .database }}
{{- end -}}
{{- else if .Values.externalDatabase.host -}}
{{- with .Values.externalDatabase -}}
{{- $password := ternary "" (printf ":%s" (urlquery .password | replace "+" "%20")) (or (empty .password) (not (empty .existingSecret))) -}}
postgresql://{{ urlquery .username }}{{ $password }}@{{ .host }}:{{ .port }}/{{ urlquery .database }}
{{- with .sslmode }}?sslmode={{ . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "asya-gateway.env" -}}
{{- if .Values.postgresql.enabled }}
- name: PGPASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "asya-gateway.fullname" . }}-postgresql
      key: password
{{- else if and .Values.externalDatabase.host .Values.externalDatabase.existingSecret }}
- name: PGPASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.externalDatabase.existingSecret }}
      key: {{ .Values.externalDatabase.existingSecretKey }}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}
