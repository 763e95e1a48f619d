{{- /* Made from components/manifest/asya_manifest/cluster_needs.py by `make docs`. */ -}}
{{- define "asya-operator.preflight" -}}
{{- $keda := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "scaledobjects.keda.sh" -}}
{{- $version := dig "metadata" "labels" "app.kubernetes.io/version" "" $keda | trimPrefix "v" -}}
{{- if regexMatch "^[0-9]+[.][0-9]+([.][0-9]+)?" $version -}}
{{- if semverCompare "<2.13.0-0" $version -}}
{{- fail (printf "KEDA %s is too old: before 2.13.0 it takes no user name from a ConfigMap and does not know the identity `aws`; upgrade KEDA to 2.13.0 or newer" $version) -}}
{{- end -}}
{{- if and (not ((.Values.preflight).acceptKnownHoles)) (semverCompare "<2.21.0-0" $version) -}}
{{- fail (printf "KEDA %s has a known hole, CVE-2026-77524: who administers a namespace can get the token of KEDA's operator, and with it the cluster; upgrade KEDA to 2.21.0 or newer, or accept it for now with --set preflight.acceptKnownHoles=true" $version) -}}
{{- end -}}
{{- end -}}
{{- end }}
