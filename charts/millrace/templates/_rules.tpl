{{/*
What the controller does as itself, in the namespaces it serves. All that a run does (making Jobs, reading Secrets, touching objects) is done as the run's own
account and needs no right here.
*/}}
{{- define "millrace.rules" -}}
- apiGroups: [millrace.dev]
  resources: [flows, executions, schedules]
  verbs: [get, list, watch]
- apiGroups: [millrace.dev]
  resources: [flows/status, executions/status, schedules/status]
  verbs: [update]
# The finalizer of Executions that have children or a callback, and the end of those that have to go for their parent's sake or are replaced by a Schedule.
# Children themselves are made as the run's account; what a Schedule starts, the controller makes, and it removes what a Schedule keeps no longer
# and what has ended and whose time has come.
- apiGroups: [millrace.dev]
  resources: [executions]
  verbs: [create, patch, delete]
# A Flow with a schedule has a Schedule of its own.
- apiGroups: [millrace.dev]
  resources: [schedules]
  verbs: [create, update, delete]
# Answers for tasks. Made for runs that tell somebody how they end, removed some time after they were judged.
- apiGroups: [millrace.dev]
  resources: [taskreports]
  verbs: [get, list, watch, create, delete]
- apiGroups: [millrace.dev]
  resources: [taskreports/status]
  verbs: [update]
# Revisions are never changed, and removed when nothing needs them.
- apiGroups: [millrace.dev]
  resources: [flowrevisions]
  verbs: [get, list, watch, create, delete]
# Pieces of what is too large for an Execution, and of what runs store themselves. They never change and are found by their names and labels.
- apiGroups: [millrace.dev]
  resources: [executiondata]
  verbs: [get, list, create, delete]
# No `create`: a run's Jobs are made as its account. Cleaning up must work when that account is gone or has lost its rights.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, patch, delete]
# Results are in the termination messages.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
