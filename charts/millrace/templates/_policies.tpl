{{/* Where the policies hold: in the namespaces that the selector names, else in those that the controller serves. */}}
{{- define "millrace.policyScope" -}}
{{- if .Values.policies.namespaceSelector -}}
matchResources:
  namespaceSelector:
    {{- toYaml .Values.policies.namespaceSelector | nindent 4 }}
{{- else if .Values.namespaces -}}
matchResources:
  namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values: {{ .Values.namespaces | toJson }}
{{- end -}}
{{- end -}}

{{/* The rules as a literal of CEL: every list is there, so that all of them are of one type. */}}
{{- define "millrace.startRules" -}}
{{- $rules := list -}}
{{- range .Values.policies.starts.rules -}}
{{- $who := list -}}
{{- range .users }}{{ $who = append $who (printf "user:%s" .) }}{{ end -}}
{{- range .groups }}{{ $who = append $who (printf "group:%s" .) }}{{ end -}}
{{- range .serviceAccounts }}{{ $who = append $who (printf "user:system:serviceaccount:%s:%s" .namespace .name) }}{{ end -}}
{{- $rules = append $rules (dict "who" $who "tags" (default list .tags) "taskLists" (default list .taskLists) "flows" (default list .flows)) -}}
{{- end -}}
{{- $rules | toJson -}}
{{- end -}}
