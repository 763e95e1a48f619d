"""Values that the charts take: nothing, everything, what the quick start has, and what OpenShift wants."""

from typing import Any

import yaml

from lab.checkout import ROOT

SEED: dict[str, Any] = yaml.safe_load((ROOT / "tests/charts/gateway-values.yaml").read_text(encoding="utf-8"))
HELLO = {"name": "hello-actor", "transport": "sqs", "image": "hello:1", "handler": "hello.process"}
RABBITMQ = {
    "rabbitmq": {"type": "rabbitmq", "enabled": True, "config": {"host": "rabbitmq.example", "username": "asya"}}
}
OPEN_SHIFT = {"podSecurityContext": None, "securityContext": None}
EVERYWHERE = {
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"disktype": "ssd"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "nameOverride": "mesh",
    "fullnameOverride": "the-mesh",
}
MORE = {
    **EVERYWHERE,
    "image": {"repository": "registry.example/asya", "tag": "1", "pullPolicy": "Always"},
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "one"},
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}},
    "env": [{"name": "ASYA_LOG_LEVEL", "value": "DEBUG"}, {"name": "MORE", "value": "1"}],
    "volumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "volumeMounts": [{"name": "ca", "mountPath": "/ca"}],
}
WAY_IN = {
    "enabled": True,
    "className": "nginx",
    "hosts": [{"host": "asya.example.com"}],
    "tls": [{"secretName": "asya-gateway-tls", "hosts": ["asya.example.com"]}],
}
PATHS = [{"path": "/mcp", "pathType": "Exact"}, {"path": "/tools"}]
GOOD: list[tuple[str, str, dict[str, Any]]] = [
    ("asya-crds", "nothing", {}),
    ("asya-operator", "nothing", {}),
    ("asya-operator", "everything", {**MORE, "transports": RABBITMQ, "gatewayURL": "http://gateway"}),
    ("asya-operator", "openshift", {**OPEN_SHIFT, "actorUser": "cluster"}),
    ("asya-operator", "one", {"replicaCount": 1, "leaderElection": {"enabled": False}, "metrics": {"enabled": False}}),
    ("asya-operator", "given-rights", {"rbac": {"create": False}, "serviceAccount": {"create": False, "name": "mine"}}),
    ("asya-operator", "watched", {"monitoring": {"enabled": True, "labels": {"release": "prometheus"}}}),
    ("asya-gateway", "nothing", {}),
    ("asya-gateway", "seed", SEED),
    (
        "asya-gateway",
        "everything",
        {**MORE, "config": {"rabbitmqURL": "amqp://a:b@c/"}, "service": {"type": "NodePort"}},
    ),
    ("asya-gateway", "openshift", {**OPEN_SHIFT, "postgresql": {"enabled": True}}),
    ("asya-gateway", "own-database", {"postgresql": {"enabled": True}}),
    ("asya-gateway", "database", {"externalDatabase": {"host": "db.example", "existingSecret": "db"}}),
    ("asya-gateway", "open", {"auth": {"mode": "off"}}),
    ("asya-gateway", "way-in", {"ingress": WAY_IN}),
    (
        "asya-gateway",
        "ways-in",
        {
            "ingress": {
                "enabled": True,
                "annotations": {"a": "b"},
                "hosts": [{"host": "a.example", "paths": PATHS}, {"host": "b.example"}],
            }
        },
    ),
    ("asya-gateway", "watched", {"monitoring": {"enabled": True}}),
    ("asya-crew", "nothing", {}),
    ("asya-crew", "everything", {**EVERYWHERE, "transport": "rabbitmq", "sidecar": {"env": []}}),
    ("asya-crew", "openshift", OPEN_SHIFT),
    ("asya-actor", "one", HELLO),
    ("asya-actor", "several", {"actors": [HELLO, {**HELLO, "name": "other", "scaling": {"maxReplicas": 3}}]}),
]
