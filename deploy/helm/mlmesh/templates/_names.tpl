{{- define "mlmesh.name" -}}
{{- /* The release's name gives way, so that programs never share one. */ -}}
{{- $room := int (sub 49 (len .program)) -}}
{{- printf "%s-%s" (trunc $room .root.Release.Name | trimSuffix "-") .program -}}
{{- end -}}

{{- define "mlmesh.selector" -}}
app.kubernetes.io/name: mlmesh
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .program }}
{{- end -}}

{{- define "mlmesh.labels" -}}
{{ include "mlmesh.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "mlmesh.image" -}}
{{- $tag := .tag | default .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{- $path := printf "%s/%s:%s%s" .root.Values.image.repository .program $tag (.suffix | default "") -}}
{{- if .root.Values.image.registry }}{{ .root.Values.image.registry }}/{{ end }}{{ $path }}
{{- end -}}

{{- /* The entry of a service, on top of what all have. */ -}}
{{- define "mlmesh.service" -}}
{{- toYaml (mergeOverwrite (deepCopy .root.Values.serviceDefaults) (deepCopy .entry)) -}}
{{- end -}}

{{- define "mlmesh.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "mlmesh.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "mlmesh.environment" -}}
- {name: MLMESH_LAME_DUCK_SECONDS, value: {{ .root.Values.lameDuckSeconds | quote }}}
- {name: MLMESH_DRAIN_SECONDS, value: {{ .root.Values.drainSeconds | quote }}}
{{- with .root.Values.telemetry.otlpEndpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ $.root.Values.telemetry.sampleRatio | quote }}}
{{- end }}
{{- range $name, $value := .settings }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end -}}

{{- define "mlmesh.spread" -}}
{{- if .root.Values.topologySpread.enabled }}
topologySpreadConstraints:
  - maxSkew: {{ .root.Values.topologySpread.maxSkew }}
    topologyKey: {{ .root.Values.topologySpread.topologyKey }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "mlmesh.selector" . | nindent 8 }}
{{- end }}
{{- end -}}

{{- /* Which target serves which contract, for the gateway. */ -}}
{{- define "mlmesh.backends" -}}
{{- $root := . -}}
{{- $backends := dict -}}
{{- range $program, $entry := .Values.services -}}
{{- $service := include "mlmesh.service" (dict "root" $root "entry" $entry) | fromYaml -}}
{{- if $service.enabled -}}
{{- if hasKey $backends $service.contract -}}
{{- fail (printf "services.%s.contract: another service has %s, and the gateway asks one of them only" $program $service.contract) -}}
{{- end -}}
{{- $name := include "mlmesh.name" (dict "root" $root "program" $program) -}}
{{- $host := printf "%s.%s.svc.%s" $name $root.Release.Namespace $root.Values.mesh.clusterDomain -}}
{{- if eq $root.Values.mesh.mode "xds" -}}
{{- $_ := set $backends $service.contract (printf "xds:///%s:50051" $host) -}}
{{- else -}}
{{- $headless := printf "%s-headless.%s.svc.%s" $name $root.Release.Namespace $root.Values.mesh.clusterDomain -}}
{{- $_ := set $backends $service.contract (printf "dns:///%s:50051" $headless) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $backends -}}
{{- end -}}
