{{/* Settings as the data of a ConfigMap. A number that is no text would be written by YAML's rules, not by its author's. */}}
{{- define "tocsin.settings" -}}
{{- range $name, $value := . -}}
{{- if not (kindIs "string" $value) -}}{{- fail (printf "settings: %s must be a text: put it in quotes" $name) -}}{{- end -}}
{{- if not (hasPrefix "TOCSIN_" $name) -}}{{- fail (printf "settings: %s is none: their names begin with TOCSIN_" $name) -}}{{- end -}}
{{- end -}}
{{- toJson . -}}
{{- end -}}
