"""What the API server refuses by itself: CEL rules, with the texts that the operator's own check has. Pure.

https://kubernetes.io/docs/reference/using-api/cel/ describes the language; each rule's cost is bounded by the
``maxItems`` and ``maxLength`` of what it reads. Texts hold no figures: the cost of writing a number has no bound.
"""

from typing import Any, Final

from asya_manifest.labels import METRICS_PORT
from asya_manifest.pod import RESERVED_VOLUMES, RUNTIME_CONTAINER, SIDECAR_CONTAINER
from asya_manifest.pod_rules import LONGEST_STATEFUL_SET
from asya_manifest.policies import TRIGGERS
from asya_protocol import names

Rules = list[dict[str, Any]]

NAME_LENGTH: Final = 63
_SHORT_FORM: Final = "has(self.handler) || has(self.image)"
_CONTAINERS: Final = "self.workload.template.spec.containers"
_HAS_CONTAINERS: Final = (
    f"has(self.workload) && has(self.workload.template) && has(self.workload.template.spec) && has({_CONTAINERS})"
)
_RUNTIMES: Final = f"({_HAS_CONTAINERS} ? {_CONTAINERS}.filter(c, c.name == '{RUNTIME_CONTAINER}').size() : 0)"
_ONE_RUNTIME: Final = f"workload must contain exactly one container named '{RUNTIME_CONTAINER}'"
_STATEFUL: Final = "has(self.spec) && has(self.spec.workload) && self.spec.workload.kind == 'StatefulSet'"
_FORMULA: Final = "has(self.advanced) && has(self.advanced.formula)"
_RESERVED: Final = ", ".join(f"'{name}'" for name in sorted(RESERVED_VOLUMES))


def _rule(rule: str, message: str, **more: str) -> dict[str, Any]:
    return {"rule": rule, "message": message, **more}


NAME: Final[Rules] = [
    _rule(
        f"self.metadata.name.size() <= {NAME_LENGTH} && !self.metadata.name.contains('.')",
        f"metadata.name must be lower case letters, digits and '-', at most {NAME_LENGTH}: it names a queue",
    ),
    _rule(
        f"!self.metadata.name.endsWith('{names.DLQ_SUFFIX}')",
        f"metadata.name cannot end with '{names.DLQ_SUFFIX}': that is how dead letter queues are named",
    ),
    _rule(
        f"self.metadata.name.size() <= {LONGEST_STATEFUL_SET} || !({_STATEFUL})",
        f"the name of a StatefulSet has at most {LONGEST_STATEFUL_SET} characters, for the labels of its pods",
    ),
    _rule(
        f"!self.metadata.name.matches('^[0-9]') || !({_STATEFUL})",
        "a StatefulSet has a Service of its name, which must begin with a letter",
    ),
]
TRANSPORT: Final[Rules] = [
    _rule(
        "self == oldSelf",
        "transport cannot be changed: envelopes would stay behind in the old queue; "
        "delete the AsyncActor and create it again",
    )
]
SCALING: Final[Rules] = [
    _rule(
        "self.minReplicas <= self.maxReplicas",
        "minReplicas cannot be greater than maxReplicas",
        fieldPath=".minReplicas",
    ),
    _rule(
        f"!({_FORMULA}) || self.advanced.formula.matches('{'|'.join(TRIGGERS)}')",
        f"a formula counts by {', '.join(TRIGGERS[:-1])} and {TRIGGERS[-1]}",
        fieldPath=".advanced",
    ),
    _rule(
        f"{_FORMULA} || !has(self.advanced) || !(has(self.advanced.target) || has(self.advanced.activationTarget) || "
        "has(self.advanced.metricType))",
        "target, activationTarget and metricType are about a formula; without one, scaling.queueLength says how many "
        "envelopes there are to a replica",
        fieldPath=".advanced",
    ),
    _rule(
        "!has(self.advanced) || !has(self.advanced.metricType) || self.advanced.metricType != 'Utilization'",
        "a queue has no utilization, which is of CPU and memory; use AverageValue or Value",
        fieldPath=".advanced",
    ),
]
WORKLOAD: Final[Rules] = [
    _rule(
        # The kind's default is there before rules are asked, so a type alone can only be the default.
        "!has(self.type) || self.type == self.kind",
        "workload.type is another name of workload.kind; set one of them (for a StatefulSet: kind)",
        fieldPath=".type",
    ),
    _rule(
        "self.kind == 'StatefulSet' || !has(self.volumeClaimTemplates) || self.volumeClaimTemplates.size() == 0",
        "only a StatefulSet has claims of its own: set kind to it",
        fieldPath=".volumeClaimTemplates",
    ),
]
SPEC: Final[Rules] = [
    _rule(
        f"{_SHORT_FORM} || (has(self.workload) && has(self.workload.template))",
        "workload with a template is required (or the short form: handler and image)",
        reason="FieldValueRequired",
        fieldPath=".workload",
    ),
    _rule(f"{_SHORT_FORM} || {_RUNTIMES} > 0", f"{_ONE_RUNTIME}, but found 0", fieldPath=".workload"),
    _rule(f"{_RUNTIMES} != 2", f"{_ONE_RUNTIME}, but found 2", fieldPath=".workload"),
    _rule(
        # Where the sidecar's environment may move its port, the operator judges.
        f"(has(self.sidecar) && has(self.sidecar.env)) || !({_HAS_CONTAINERS}) || {_CONTAINERS}.all(c, !has(c.ports) || "
        f"c.ports.all(p, p.containerPort != {METRICS_PORT} || (has(p.protocol) && p.protocol != 'TCP')))",
        f"port {METRICS_PORT} serves the injected sidecar's metrics and health; choose another, or move the sidecar's by "
        "ASYA_METRICS_ADDR in spec.sidecar.env",
        fieldPath=".workload",
    ),
    _rule(f"{_RUNTIMES} <= 2", f"{_ONE_RUNTIME}, but found more than 2", fieldPath=".workload"),
]
CONTAINER_NAME: Final[Rules] = [
    _rule(
        f"self != '{SIDECAR_CONTAINER}'",
        f"container name '{SIDECAR_CONTAINER}' is reserved for the injected sidecar and cannot be defined in "
        "the AsyncActor spec",
    )
]
INIT_CONTAINER_NAME: Final[Rules] = [
    _rule(
        f"self != '{SIDECAR_CONTAINER}'",
        f"init container name '{SIDECAR_CONTAINER}' is reserved for operator use and cannot be defined in the "
        "AsyncActor spec",
    )
]
COMMAND: Final[Rules] = [
    _rule(
        f"self.name != '{RUNTIME_CONTAINER}' || !has(self.command) || self.command.size() == 0",
        f"container '{RUNTIME_CONTAINER}' cannot override command (command is managed by operator)",
        fieldPath=".command",
    )
]
VOLUME_NAME: Final[Rules] = [
    _rule(
        f"!(self in [{_RESERVED}])",
        "the names " + ", ".join(sorted(RESERVED_VOLUMES)) + " are reserved for the injected volumes",
    )
]
