"""What values decide in the templates of charts: per chart, source and kind a condition, and the edits of the object."""

from collections.abc import Mapping
from typing import Any, Final

from asya_operator.transport_config import RabbitMqConfig, SqsConfig
from tools.charts_template import Block, Edit, If, More, Own

_POD: Final = "spec/template/spec"
_Objects = Mapping[str, tuple[str, Mapping[str, Edit]]]


def _pod(pod: str, container: str, chart: str) -> dict[str, Edit]:
    """What every pod's values are called."""
    inside = f"{pod}/containers/{container}"
    return {
        f"{pod}/imagePullSecrets": Block(".Values.imagePullSecrets"),
        f"{pod}/nodeSelector": Block(".Values.nodeSelector"),
        f"{pod}/tolerations": Block(".Values.tolerations"),
        f"{pod}/affinity": Block(".Values.affinity"),
        f"{pod}/securityContext": Block(".Values.podSecurityContext"),
        f"{pod}/terminationGracePeriodSeconds": "{{ .Values.terminationGracePeriodSeconds }}",
        f"{pod}/volumes": More(".Values.volumes"),
        f"{inside}/image": f'{{{{ include "{chart}.image" . | quote }}}}',
        f"{inside}/imagePullPolicy": "{{ .Values.image.pullPolicy }}",
        f"{inside}/resources": Block(".Values.resources"),
        f"{inside}/securityContext": Block(".Values.securityContext"),
        f"{inside}/volumeMounts": More(".Values.volumeMounts"),
        f"{inside}/env": Own(".Values.env"),
        "spec/template/metadata/annotations": (
            '\n  checksum/config: {{ include (print $.Template.BasePath "/config.yaml") . | sha256sum }}\n'
            "  {{- with .Values.podAnnotations }}\n  {{- toYaml . | nindent {deeper} }}\n  {{- end }}"
        ),
    }


_ACCOUNT: Final[tuple[str, Mapping[str, Edit]]] = (
    ".Values.serviceAccount.create",
    {"metadata/annotations": Block(".Values.serviceAccount.annotations")},
)
_BUDGET: Final[tuple[str, Mapping[str, Edit]]] = (".Values.podDisruptionBudget.enabled", {})
_RIGHTS: Final[tuple[str, Mapping[str, Edit]]] = (".Values.rbac.create", {})
_MANAGER: Final = f"{_POD}/containers/manager"
_OPERATOR: Final[Mapping[str, Edit]] = {
    "spec/replicas": "{{ .Values.replicaCount }}",
    f"{_MANAGER}/args/1": '"--metrics-bind-address=:{{ .Values.metrics.port }}"',
    f"{_MANAGER}/args/2": '"--health-probe-bind-address=:{{ .Values.health.port }}"',
    f"{_MANAGER}/args/0": If(".Values.leaderElection.enabled"),
    f"{_MANAGER}/ports/metrics/containerPort": "{{ .Values.metrics.port }}",
    f"{_MANAGER}/ports/health/containerPort": "{{ .Values.health.port }}",
    f"{_MANAGER}/env/ASYA_GATEWAY_TOKEN_SECRET/value": "{{ .Values.gatewayTokenSecret | quote }}",
    f"{_MANAGER}/env/ASYA_SIDECAR_IMAGE/value": (
        '{{ default (printf "asya-sidecar:%s" .Chart.AppVersion) .Values.sidecar.image | quote }}'
    ),
    f"{_MANAGER}/env/ASYA_DISABLE_QUEUE_MANAGEMENT/value": "{{ .Values.controller.disableQueueManagement | quote }}",
    f"{_MANAGER}/env/ASYA_QUEUE_HEALTH_CHECK_INTERVAL/value": (
        "{{ .Values.controller.queueHealthCheckInterval | quote }}"
    ),
    f"{_MANAGER}/env/ASYA_MAX_CONCURRENT_RECONCILES/value": "{{ .Values.controller.maxConcurrentReconciles | quote }}",
    f"{_MANAGER}/env/ASYA_LOG_LEVEL/value": "{{ .Values.logLevel | quote }}",
    f"{_MANAGER}/env/ASYA_OPERATOR_CLASS/value": "{{ .Values.operatorClass | quote }}",
    f"{_MANAGER}/env/ASYA_WATCH_NAMESPACES/value": '{{ join "," .Values.watchNamespaces | quote }}',
    # Values of the release before, reused, have none.
    f"{_MANAGER}/env/ASYA_ACTOR_USER/value": "{{ .Values.actorUser | default 1000 | quote }}",
    f"{_MANAGER}/env/ASYA_POD_MONITOR_LABELS/value": (
        '"{{ range $name, $value := (.Values.monitoring).labels }}{{ $name }}={{ $value }},{{ end }}"'
    ),
    **_pod(_POD, "manager", "asya-operator"),
}


def _watched(chart: str) -> dict[str, Edit]:
    """What a Prometheus operator chooses its objects by."""
    more = "{{- with .Values.monitoring.labels }}\n  {{- toYaml . | nindent {deeper} }}\n  {{- end }}"
    return {"metadata/labels": f'\n  {{{{- include "{chart}.labels" . | nindent {{deeper}} }}}}\n  {more}'}


_SERVER: Final = f"{_POD}/containers/gateway"
_CREDENTIALS: Final = "spec/podMetricsEndpoints/0/authorization/credentials"
_TOKENS: Final = If('eq .Values.auth.mode "tokens"')
_ACTORS: Final = '{{ include "asya-gateway.fullname" . }}-actors-{{ .Release.Namespace }}'
"""Names a cluster's objects, of which gateways in several namespaces have one each."""
_GATEWAY: Final[Mapping[str, Edit]] = {
    "spec/replicas": '{{ include "asya-gateway.replicas" . }}',
    f"{_POD}/automountServiceAccountToken": "{{ .Values.serviceAccount.automount }}",
    f"{_SERVER}/env/ASYA_GATEWAY_PORT/value": "{{ .Values.config.port | quote }}",
    f"{_SERVER}/env/ASYA_GATEWAY_RATE/value": "{{ .Values.config.rate | quote }}",
    f"{_SERVER}/env/ASYA_GATEWAY_RETENTION/value": "{{ .Values.config.retention | quote }}",
    f"{_SERVER}/env/ASYA_LOG_LEVEL/value": "{{ .Values.config.logLevel | quote }}",
    f"{_SERVER}/ports/http/containerPort": "{{ .Values.config.port }}",
    f"{_SERVER}/envFrom/1/secretRef/name": (
        '{{ default (printf "%s-connections" (include "asya-gateway.fullname" .)) .Values.config.existingSecret }}'
    ),
    f"{_POD}/volumes/tokens/secret/secretName": (
        '{{ default (printf "%s-tokens" (include "asya-gateway.fullname" .)) .Values.auth.existingSecret }}'
    ),
    f"{_SERVER}/env/ASYA_GATEWAY_TOKENS_FILE": _TOKENS,
    f"{_SERVER}/volumeMounts/tokens": _TOKENS,
    f"{_POD}/volumes/tokens": _TOKENS,
    **_pod(_POD, "gateway", "asya-gateway"),
    f"{_SERVER}/env": Own('(include "asya-gateway.env" . | fromYamlArray)'),
}


_RULES: Final = """
{{- range .Values.ingress.hosts }}
- host: {{ .host | quote }}
  http:
    paths:
    {{- range default (list (dict)) .paths }}
    - path: {{ default "/" .path }}
      pathType: {{ default "Prefix" .pathType }}
      backend:
        service:
          name: {{ include "asya-gateway.fullname" $ }}
          port:
            name: http
    {{- end }}
{{- end }}"""
_INGRESS: Final[Mapping[str, Edit]] = {
    "metadata/annotations": Block(".Values.ingress.annotations"),
    "spec/ingressClassName": Block(".Values.ingress.className"),
    "spec/rules": _RULES,
    "spec/tls": Block(".Values.ingress.tls"),
}


def _end(name: str) -> _Objects:
    """One actor of the crew."""
    values = f'(index .Values "{name}")'
    own = f'(include "asya-crew.container" {values} | fromJson)'
    pod = "spec/workload/template/spec"
    inside = f"{pod}/containers/asya-runtime"
    edits: dict[str, Edit] = {
        "metadata/name": f"{{{{ {values}.name }}}}",
        "metadata/annotations": Block(f"{values}.annotations"),
        "spec/transport": f"{{{{ default .Values.transport {values}.transport }}}}",
        "spec/scaling": Block(f"{values}.scaling"),
        "spec/sidecar": Block(".Values.sidecar"),
        f"{pod}/imagePullSecrets": Block(".Values.imagePullSecrets"),
        f"{pod}/nodeSelector": Block(".Values.nodeSelector"),
        f"{pod}/tolerations": Block(".Values.tolerations"),
        f"{pod}/affinity": Block(".Values.affinity"),
        f"{pod}/securityContext": Block(".Values.podSecurityContext"),
        f"{inside}/image": f'{{{{ {own}.image | default (include "asya-crew.image" .) | quote }}}}',
        f"{inside}/imagePullPolicy": f"{{{{ {own}.imagePullPolicy | default .Values.image.pullPolicy }}}}",
        f"{inside}/env": Own(f"({own}.env | default .Values.env)"),
        f"{inside}/resources": Block(f"({own}.resources | default .Values.resources)"),
        f"{inside}/securityContext": Block(".Values.securityContext"),
    }
    return {"AsyncActor": (f"{values}.enabled", edits)}


CHARTS: Final[Mapping[str, Mapping[str, _Objects]]] = {
    "asya-operator": {
        "operator/rbac.yaml": {
            "ServiceAccount": _ACCOUNT,
            **dict.fromkeys(("ClusterRole", "Role", "RoleBinding"), _RIGHTS),
            # For some namespaces only, bindings of each lead to the same role: templates/namespaces.yaml.
            "ClusterRoleBinding": ("and .Values.rbac.create (not .Values.watchNamespaces)", {}),
        },
        "operator/roles.yaml": {"ClusterRole": (".Values.rbac.roles", {})},
        "operator/admission-policy.yaml": dict.fromkeys(
            ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"), (".Values.admissionPolicy.enabled", {})
        ),
        "operator/deployment.yaml": {
            "Deployment": ("", _OPERATOR),
            "PodDisruptionBudget": _BUDGET,
            "Service": (".Values.metrics.enabled", {"spec/ports/metrics/port": "{{ .Values.metrics.port }}"}),
        },
        "monitoring/operator-pod-monitor.yaml": {
            "PodMonitor": (
                "and (.Values.monitoring).enabled (.Values.monitoring).podMonitor",
                _watched("asya-operator"),
            )
        },
        "monitoring/prometheus-rule.yaml": {
            "PrometheusRule": ("and (.Values.monitoring).enabled (.Values.monitoring).rules", _watched("asya-operator"))
        },
    },
    "asya-gateway": {
        "gateway/deployment.yaml": {"Deployment": ("", _GATEWAY)},
        "gateway/service.yaml": {
            "Service": (
                "",
                {
                    "spec/type": "{{ .Values.service.type }}",
                    "spec/ports/http/port": "{{ .Values.service.port }}",
                    "metadata/annotations": Block(".Values.service.annotations"),
                },
            ),
            "ServiceAccount": _ACCOUNT,
            "PodDisruptionBudget": _BUDGET,
        },
        "gateway/actors.example.yaml": {
            "ClusterRole": (".Values.rbac.create", {"metadata/name": _ACTORS}),
            "ClusterRoleBinding": (".Values.rbac.create", {"metadata/name": _ACTORS, "roleRef/name": _ACTORS}),
        },
        "gateway/ingress.example.yaml": {"Ingress": (".Values.ingress.enabled", _INGRESS)},
        "monitoring/gateway-pod-monitor.yaml": {
            "PodMonitor": (
                "(.Values.monitoring).enabled",
                {
                    **_watched("asya-gateway"),
                    f"{_CREDENTIALS}/name": (
                        '{{ default (printf "%s-tokens" (include "asya-gateway.fullname" .)) .Values.monitoring.tokenSecret }}'
                    ),
                    f"{_CREDENTIALS}/key": '{{ ternary "token" "metrics" (ne .Values.monitoring.tokenSecret "") }}',
                },
            )
        },
    },
    "asya-crew": {f"crew/{name}.yaml": _end(name) for name in ("happy-end", "error-end", "fan-in")},
}
"""Chart, file below ``deploy``, kind: when there is such an object, and what values decide in it."""


def _open(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _either(place: str, one: str, other: str) -> dict[str, Any]:
    """Of two texts one has to be empty."""
    given = {"properties": {one: {"type": "string", "minLength": 1}}, "required": [one]}
    return {"properties": {place: {"if": given, "then": {"properties": {other: {"maxLength": 0}}}}}}


_CONTAINER: Final = _open(
    {
        "name": {"const": "asya-runtime"},
        "image": {"type": "string"},
        "imagePullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
        "env": {"type": "array"},
        "resources": {"type": "object"},
    }
)
_CONTAINERS: Final = {"type": "array", "maxItems": 1, "items": _CONTAINER}
_WORKLOAD: Final = _open(
    {
        "kind": {"const": "Deployment"},
        "template": _open({"spec": _open({"containers": _CONTAINERS})}),
    }
)
_LEVELS: Final = {
    "enum": [case(level) for level in ("debug", "info", "warn", "warning", "error") for case in (str.lower, str.upper)]
}
_COUNT: Final = {"minimum": 0}
_PORT: Final = {"minimum": 1, "maximum": 65535}
_HOST: Final = {"type": "string", "minLength": 1}
_PATH: Final = _open({"path": {"type": "string"}, "pathType": {"enum": ["Exact", "ImplementationSpecific", "Prefix"]}})
_PULL: Final = {"enum": ["Always", "IfNotPresent", "Never"]}
_CONFIGS: Final = {
    kind: model.model_json_schema(ref_template="#/$defs/{model}")
    for kind, model in (("sqs", SqsConfig), ("rabbitmq", RabbitMqConfig))
}
_DEFINITIONS: Final = {name: made for schema in _CONFIGS.values() for name, made in schema.pop("$defs").items()}


def _typed(kind: str) -> dict[str, Any]:
    """A transport of a type has that type's configuration."""
    return {
        "if": {"properties": {"type": {"const": kind}}},
        "then": {"properties": {"config": _CONFIGS[kind]}},
    }


_TRANSPORT: Final = _open(
    {
        "type": {"enum": [*_CONFIGS]},
        "enabled": {"type": "boolean"},
        "namespaces": {"type": "array", "items": {"type": "string", "minLength": 1}},
        "config": {"type": "object"},
    }
)
_TRANSPORTS: Final[dict[str, Any]] = {
    "additionalProperties": {**_TRANSPORT, "required": ["type"], "allOf": [_typed(kind) for kind in _CONFIGS]}
}

SCHEMAS: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "asya-crds": {},
    "asya-actor": {},
    "asya-operator": {
        "": {
            "$defs": _DEFINITIONS,
            "if": {"properties": {"replicaCount": {"minimum": 2}}},
            "then": {"properties": {"leaderElection": {"properties": {"enabled": {"const": True}}}}},
        },
        "replicaCount": _COUNT,
        "operatorClass": {"pattern": "^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$", "maxLength": 40},
        "actorUser": {"type": ["integer", "string"], "minimum": 1, "pattern": "^(cluster|[1-9][0-9]*)$"},
        "watchNamespaces": {"items": {"type": "string", "minLength": 1}, "uniqueItems": True},
        "image/pullPolicy": _PULL,
        "logLevel": _LEVELS,
        "metrics/port": _PORT,
        "health/port": _PORT,
        "controller/maxConcurrentReconciles": {"minimum": 1, "maximum": 1000},
        "transports": _TRANSPORTS,
        "operator/transports": _TRANSPORTS,
    },
    "asya-gateway": {
        "": {"allOf": [_either("config", "rabbitmqURL", "sqsEndpoint")]},
        "replicaCount": {"type": ["integer", "null"], **_COUNT},
        "image/pullPolicy": _PULL,
        "config/port": {"type": ["string", "integer"], "pattern": "^[0-9]+$"},
        "config/rate": {"type": ["string", "number"]},
        "config/transport": {"enum": ["", "sqs", "rabbitmq"]},
        "config/logLevel": _LEVELS,
        "auth/mode": {"enum": ["tokens", "off"]},
        "routes/defaults": _open({"progress": {"type": "boolean"}, "timeout": {"type": "integer", "minimum": 1}}),
        "routes/tools": {"items": {"type": "object", "required": ["name", "route"]}},
        "routes/schedules": {"items": {"type": "object", "required": ["name", "tool", "cron"]}},
        "service/port": _PORT,
        "ingress": {
            "if": {"properties": {"enabled": {"const": True}}},
            "then": {"properties": {"hosts": {"minItems": 1}}},
        },
        "ingress/hosts": {"items": {**_open({"host": _HOST, "paths": {"items": _PATH}}), "required": ["host"]}},
        "ingress/tls": {"items": _open({"secretName": {"type": "string"}, "hosts": {"items": _HOST}})},
        "externalDatabase/port": _PORT,
    },
    "asya-crew": {
        "transport": {"minLength": 1},
        "image/pullPolicy": _PULL,
        **{f"{name}/workload": _WORKLOAD for name in ("happy-end", "error-end", "fan-in")},
    },
}
"""Chart, path of a value: what its schema says beyond the type of its default."""
