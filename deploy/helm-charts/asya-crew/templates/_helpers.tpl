{{- define "asya-crew.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $made := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $made .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "asya-crew.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "asya-crew.podLabels" -}}
{{ include "asya-crew.selectorLabels" . }}
app.kubernetes.io/part-of: asya
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "asya-crew.labels" -}}
{{ include "asya-crew.selectorLabels" . }}
app.kubernetes.io/part-of: asya
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "asya-crew.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "asya-crew.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "asya.names" -}}
{{- range . }}
- {{ .name | quote }}
{{- end }}
{{- end }}

{{- define "asya-crew.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
