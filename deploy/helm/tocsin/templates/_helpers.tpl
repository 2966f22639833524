{{/* Settings as the data of a ConfigMap. A number that is no text would be written by YAML's rules, not by its author's. */}}
{{- define "tocsin.settings" -}}
{{- range $name, $value := . -}}
{{- if not (kindIs "string" $value) -}}{{- fail (printf "settings: %s must be a text: put it in quotes" $name) -}}{{- end -}}
{{- if not (or (hasPrefix "TOCSIN_" $name) (hasPrefix "OTEL_" $name)) -}}{{- fail (printf "settings: %s is none: their names begin with TOCSIN_, or with OTEL_ for traces" $name) -}}{{- end -}}
{{- if hasSuffix "_HEADERS" $name -}}{{- fail (printf "settings: %s holds secrets: it belongs into the Secret tocsin-otlp, as its key headers" $name) -}}{{- end -}}
{{- end -}}
{{- toJson . -}}
{{- end -}}

{{/* Where TOCSIN_ZONE comes from: what the settings of every service say, else a label of the pod, which is empty where there is none. */}}
{{- define "tocsin.zone" -}}
{{- if hasKey .Values.settings.shared "TOCSIN_ZONE" -}}
{{- toJson (dict "configMapKeyRef" (dict "name" "tocsin-settings-shared" "key" "TOCSIN_ZONE")) -}}
{{- else -}}
{{- toJson (dict "fieldRef" (dict "fieldPath" (printf "metadata.labels['%s']" .Values.zones.label))) -}}
{{- end -}}
{{- end -}}

{{/* The target of a service: all its replicas, then those of each zone that has a name, which is part of the name of a Service. */}}
{{- define "tocsin.target" -}}
{{- $service := index . 1 -}}
{{- $port := index . 2 -}}
{{- $parts := list (printf "dns:///tocsin-%s:%v" $service $port) -}}
{{- range (index . 0).Values.zones.names -}}
{{- if or (not (kindIs "string" .)) (not (regexMatch "^[a-z0-9]([a-z0-9-]{0,44}[a-z0-9])?$" .)) -}}
{{- fail (printf "zones.names: %v cannot be part of the name of a Service: lower-case letters, digits and '-', 46 at most" .) -}}
{{- end -}}
{{- $parts = append $parts (printf "dns:///tocsin-%s-%s:%v;zone=%s" $service . $port .) -}}
{{- end -}}
{{- toJson (join "," $parts) -}}
{{- end -}}
