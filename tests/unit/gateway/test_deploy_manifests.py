"""deploy/gateway: what the manifests say agrees with the gateway, and passes Pod Security ``restricted``."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from asya_gateway.app import ROUTES
from asya_gateway.settings import read_settings
from asya_manifest.tools import parse_tools

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "gateway"


def read(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text()))


(DEPLOYMENT,) = read("deployment")
POD = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


def test_the_pod_is_restricted_and_survives_a_rollout() -> None:
    assert DEPLOYMENT["spec"]["replicas"] == 2
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert CONTAINER["image"] == f"asya-gateway:{version('asya-gateway')}"
    settings = {entry["name"]: entry["value"] for entry in CONTAINER["env"]}
    stop_s = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    assert stop_s + int(settings["ASYA_DRAIN_TIMEOUT"].removesuffix("s")) < POD["terminationGracePeriodSeconds"]


def test_probes_and_service_reach_what_is_served() -> None:
    paths = {route.path for route in ROUTES}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert CONTAINER[probe]["httpGet"]["path"] in paths
    service = next(each for each in read("service") if each["kind"] == "Service")
    assert (service["metadata"]["name"], service["spec"]["ports"][0]["port"]) == ("asya-gateway", 80)
    assert service["spec"]["selector"].items() <= DEPLOYMENT["spec"]["template"]["metadata"]["labels"].items()
    named = {port["name"] for port in CONTAINER["ports"]}
    assert {service["spec"]["ports"][0]["targetPort"], CONTAINER["readinessProbe"]["httpGet"]["port"]} <= named


def test_the_example_settings_are_ones_that_a_gateway_starts_with(tmp_path: Path) -> None:
    objects = {each["metadata"]["name"]: each for each in read("config.example")}
    used = [next(iter(source.values())) for source in CONTAINER["envFrom"]]
    assert [each["name"] for each in used if not each.get("optional")] == [
        "asya-gateway-config",
        "asya-gateway-connections",
    ]
    (tmp_path / "tokens").write_text(objects["asya-gateway-tokens"]["stringData"]["tokens"])
    settings = read_settings(
        {
            **{entry["name"]: entry["value"] for entry in CONTAINER["env"]},
            **objects["asya-gateway-config"]["data"],
            **objects["asya-gateway-connections"]["stringData"],
            "ASYA_GATEWAY_TOKENS_FILE": str(tmp_path / "tokens"),
        }
    )
    assert (settings.transport.name, settings.port, settings.tools) == ("rabbitmq", 8080, Path("/config"))
    assert settings.database_url.startswith("postgresql://")
    assert settings.door.file is not None
    assert len(settings.door.file.callers) == 4
    mounts = {mount["mountPath"]: mount["name"] for mount in CONTAINER["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    assert volumes[mounts["/config"]]["configMap"] == {"name": "asya-gateway-tools", "optional": True}
    assert volumes[mounts["/secrets"]]["secret"]["secretName"] == "asya-gateway-tokens"


def test_the_console_may_list_actors_and_nothing_else() -> None:
    role, binding = read("actors.example")
    assert role["rules"] == [{"apiGroups": ["asya.sh"], "resources": ["asyncactors"], "verbs": ["list"]}]
    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("ClusterRole", role["metadata"]["name"])
    assert binding["subjects"][0]["name"] == POD["serviceAccountName"]
    assert POD["automountServiceAccountToken"] is True


def test_the_example_tool_is_the_quick_start_s() -> None:
    (tools,) = read("tools.example")
    (tool,) = parse_tools(sorted(tools["data"].items())).values()
    assert (tool.name, tool.route, tool.description) == ("hello", ("hello-actor",), "Hello from hello-actor")
    assert tool.parameters["who"].required
