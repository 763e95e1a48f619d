"""Pulumi programs under mocks: what a program would register, without an engine.

A mock stands where the engine and the providers do: it proves wiring (which resources, with which inputs, below which parent,
after which others), not what a provider thinks of it. The same programs run on the real engine in ``tests/stack``.
"""

import asyncio
import contextlib
import functools
import json
import logging
import runpy
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import mocks, rpc
from pulumi.runtime.proto import resource_pb2

from asya_infra.cluster_target import KubernetesTarget
from lab.checkout import ROOT
from lab.pulumi_standins.wire import load, secret_keys

ACCOUNT = "123456789012"
FUNCTIONS: dict[str, Mapping[str, Any]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {
        "accountId": ACCOUNT,
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/somebody",
    },
    "aws:iam/getSessionContext:getSessionContext": {"issuerArn": f"arn:aws:iam::{ACCOUNT}:role/ci/Deployer"},
    "aws:index/getPartition:getPartition": {"partition": "aws", "dnsSuffix": "amazonaws.com"},
    "aws:cloudwatch/getLogGroups:getLogGroups": {"logGroupNames": [], "arns": []},
    "aws:eks/getAddonVersion:getAddonVersion": {"version": "v1.0.0-eksbuild.1"},
    "aws:index/getRegion:getRegion": {"region": "eu-central-1"},
    "aws:eks/getCluster:getCluster": {
        "name": "theirs",
        "arn": f"arn:aws:eks:eu-central-1:{ACCOUNT}:cluster/theirs",
        "endpoint": "https://theirs.example",
        "certificateAuthorities": [{"data": "Q0E="}],
        "vpcConfig": {"clusterSecurityGroupId": "sg-theirs", "vpcId": "vpc-theirs"},
    },
}
STACKS: dict[str, Mapping[str, Any]] = {}
"""What other stacks export, by their full names."""
ZONES: Mapping[str, str] = {
    "eu-central-1-ham-1a": "opted-in",
    **{f"eu-central-1{letter}": "opt-in-not-required" for letter in "abc"},
}
"""The region's zones and their opt-in status, sorted as AWS sorts them: a Local Zone comes first."""
KUBECONFIG = """apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: test}}]
clusters: [{name: test, cluster: {server: "https://127.0.0.1:6443"}}]
users: [{name: test, user: {token: kubeconfig-token}}]
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One resource that a program registered.

    Attributes:
        type: Its token.
        name: Its logical name.
        inputs: As the provider would get them, secrets unwrapped.
        secrets: Top-level inputs that hold a secret.
        parent: Logical name of its parent; empty below the stack.
        parent_type: The parent's token.
        depends: Logical names of what it waits for, by type and name.
        provider: Reference of its provider; empty is the default one.
        protect: Whether it may be deleted.
        ignore: Inputs whose changes are somebody else's.
        aliases: Names that it had before.
    """

    type: str
    name: str
    inputs: dict[str, Any]
    secrets: frozenset[str] = frozenset()
    parent: str = ""
    parent_type: str = ""
    depends: frozenset[tuple[str, str]] = frozenset()
    provider: str = ""
    protect: bool = False
    ignore: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(slots=True)
class Run:
    """What one run of a program registered and exported."""

    resources: list[Seen] = field(default_factory=list)
    exports: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def of_type(self, token: str) -> list[Seen]:
        """All of a type, in the order of their names."""
        return sorted((seen for seen in self.resources if seen.type == token), key=lambda seen: seen.name)

    def one(self, token: str, name: str = "") -> Seen:
        """The only one of a type, or of a type and name."""
        (found,) = [seen for seen in self.of_type(token) if not name or seen.name == name]
        return found

    def children(self, name: str) -> list[tuple[str, str]]:
        """Type and name of what lies directly below a component."""
        return sorted((seen.type, seen.name) for seen in self.resources if seen.parent == name)


class _Answers(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            return args.name, {"name": args.name, "outputs": dict(STACKS.get(args.name, {}))}
        return f"{args.name}-id", {**args.inputs, **_made_up(args.typ, args.name)}

    def call(self, args: mocks.MockCallArgs) -> Any:
        if args.token == "aws:index/getAvailabilityZones:getAvailabilityZones":
            return {"names": _zones(args.args)}
        if args.token == "aws:ec2/getVpcEndpointService:getVpcEndpointService":
            return {"serviceName": f"com.amazonaws.eu-central-1.{args.args['service']}"}
        return dict(FUNCTIONS[args.token])


def _zones(asked: Mapping[str, Any]) -> list[str]:
    """The zones that pass the filters; only one by opt-in status is known here."""
    filters = {each["name"]: each["values"] for each in asked.get("filters") or []}
    wanted = filters.pop("opt-in-status", ZONES.values())
    assert not filters, f"no stand-in for filters by {', '.join(filters)}"
    return [name for name, status in ZONES.items() if status in wanted and name not in asked.get("excludeZoneIds", ())]


def _made_up(token: str, name: str) -> dict[str, Any]:
    """Outputs that programs read; the shapes are the providers', the values nobody's."""
    if token == "aws:eks/cluster:Cluster":
        return {
            "arn": f"arn:aws:eks:eu-central-1:{ACCOUNT}:cluster/{name}",
            "endpoint": "https://eks.example",
            "certificateAuthority": {"data": "Q0E="},
            "vpcConfig": {"clusterSecurityGroupId": "sg-cluster"},
        }
    if token == "aws:rds/instance:Instance":
        return {"address": "db.example", "arn": f"arn:aws:rds:eu-central-1:{ACCOUNT}:db:{name}"}
    if token == "aws:s3/bucket:Bucket":
        return {"bucket": f"{name}-1234567", "arn": f"arn:aws:s3:::{name}-1234567"}
    if token == "aws:kms/key:Key":
        return {"arn": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/{name}", "keyId": name}
    if token == "aws:ecr/repository:Repository":
        return {"repositoryUrl": f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/{name.replace('-', '/', 1)}"}
    if token.startswith("aws:"):
        return {"arn": f"arn:aws:any:eu-central-1:{ACCOUNT}:{name}", "name": name, "latestVersion": 1}
    if token == "pulumi-python:dynamic:Resource":
        return {"status": "Running", "kubeconfig": KUBECONFIG}
    return {}


class _Monitor(mocks.MockMonitor):
    def __init__(self, run: Run, *, preview: bool) -> None:
        super().__init__(_Answers())
        self._run, self._preview = run, preview

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        if request.type != "pulumi:pulumi:Stack":
            below_stack = not request.parent or "pulumi:pulumi:Stack::" in request.parent
            above = ("", "") if below_stack else _named(request.parent)
            self._run.resources.append(
                Seen(
                    type=request.type,
                    name=request.name,
                    inputs=_plain(load(request.object)),
                    secrets=frozenset(secret_keys(request.object)),
                    parent=above[1],
                    parent_type=above[0],
                    depends=frozenset(_named(urn) for urn in request.dependencies),
                    provider=request.provider,
                    protect=request.protect,
                    ignore=tuple(request.ignoreChanges),
                    aliases=tuple(each.spec.name for each in request.aliases if each.spec.name),
                )
            )
        if self._preview and request.custom and not request.type.startswith("pulumi:providers:"):
            # Before the first update nobody knows a provider's outputs; the engine answers with the inputs alone.
            urn = self.make_urn(request.parent, request.type, request.name)
            self.resources[urn] = mocks.MockMonitor.ResourceRegistration(
                urn, "", rpc.deserialize_properties(request.object)
            )
            return resource_pb2.RegisterResourceResponse(urn=urn, id="", object=request.object)
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def _named(urn: str) -> tuple[str, str]:
    *_, kind, name = urn.split("::")
    return kind.rsplit("$", maxsplit=1)[-1], name


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list) else value


class _Warnings(logging.Handler):
    def __init__(self, run: Run) -> None:
        super().__init__(logging.WARNING)
        self._run = run

    def emit(self, record: logging.LogRecord) -> None:
        self._run.warnings.append(record.getMessage())


def run_program(
    program: Callable[[], object],
    config: Mapping[str, Any] | None = None,
    *,
    stack: str = "test",
    secrets: tuple[str, ...] = (),
    preview: bool = False,
    there: Mapping[str, Mapping[str, Any]] | None = None,
) -> Run:
    """Run a program under mocks.

    Args:
        program: Registers resources.
        config: The stack's settings, with their namespace.
        stack: Its name.
        secrets: Keys of those that are secret.
        preview: Whether the outputs of providers are unknown.
        there: Metadata of what its cluster has of any kind, by name; nobody asks a real one.
    """
    run = Run()
    logger = logging.Logger("pulumi-program")
    logger.addHandler(_Warnings(run))
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (config or {}).items()}
    pulumi.runtime.set_all_config(texts, list(secrets))

    def export(name: str, value: Any) -> None:
        # Without an engine there is no stack that would keep it.
        pulumi.Output.from_input(value).apply(lambda known: run.exports.update({name: known}))

    with pytest.MonkeyPatch.context() as patch, _event_loop():
        patch.setattr("asya_infra.ownership.look", lambda *_: there or {})
        mocks.set_mocks(
            mocks.MockMonitor(_Answers()).mocks,
            project="asya",
            stack=stack,
            preview=preview,
            logger=logger,
            monitor=_Monitor(run, preview=preview),
        )
        patch.setattr(pulumi, "export", export)
        pulumi.runtime.test(lambda: program() and None)()  # type: ignore[no-untyped-call]
    return run


@contextlib.contextmanager
def _event_loop() -> Iterator[None]:
    """Pulumi's runtime takes the thread's loop, and asynchronous tests leave none behind."""
    asyncio.set_event_loop(_loop())
    try:
        yield
    finally:
        asyncio.set_event_loop(None)


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """One for all runs, never closed: Pulumi leaves loops of its own in the threads of this one's executor."""
    return asyncio.new_event_loop()


def stack_config(name: str, **changes: Any) -> dict[str, Any]:
    """The settings of one of our environments, as its file has them, with changes (``None`` takes one away)."""
    document = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text(encoding="utf-8"))
    merged = {**document["config"], **{f"asya:{key}": value for key, value in changes.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def our_program() -> None:
    """The program of every environment, ``infra/__main__.py``."""
    runpy.run_path(str(ROOT / "infra/__main__.py"))


SECRET_KEYS = ("asya:password", "asya:secretKey", "asya:gatewayTokens", "asya:reportToken", "asya:databaseUrl")


ON_AWS: Mapping[str, Any] = {"apiCidrs": ["203.0.113.7/32"], "registry": "registry.example/asya"}
"""What a stack on EKS has to say, and no file of ours can."""


MADE_BY_MAKE_UP: Mapping[str, Mapping[str, str]] = {
    "oss": dict.fromkeys(("password", "accessKey", "secretKey"), "asya-evaluation"),
    "localstack": {"password": "asya-evaluation"},
}
"""Credentials of the servers in the cluster, which our files leave to `make up`."""


def run_environment(name: str, *, preview: bool = False, **changes: Any) -> Run:
    """Run one of our environments, on a kubeconfig that leads nowhere."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        kubeconfig = Path(folder, "kubeconfig")
        kubeconfig.write_text(KUBECONFIG, encoding="utf-8")
        patch.setenv("KUBECONFIG", str(kubeconfig))
        patch.chdir(ROOT)
        given = {**(ON_AWS if name == "aws" else {}), **MADE_BY_MAKE_UP.get(name, {})}
        config = stack_config(name, **{**given, **changes})
        return run_program(our_program, config, stack=name, secrets=SECRET_KEYS, preview=preview)


ENVIRONMENTS = ("oss", "localstack", "aws")
"""Those with a cluster."""


@functools.cache
def whole_environment(name: str, *, preview: bool = False) -> Run:
    """An environment with all that it can have: a gateway, its database, monitoring, an actor."""
    changes: dict[str, Any] = {
        "gatewayImage": "asya-gateway:0.2.0",
        "gatewayTokens": "caller-token",
        "reportToken": "report-token",
        "monitoring": "true",
        "manifests": ["examples/asyas/simple-actor.yaml"],
    }
    if name == "aws":
        image = f"{ON_AWS['registry']}/asya-gateway:0.2.0"
        changes |= {"keda": "installed", "password": "database-password", "gatewayImage": image}
    return run_environment(name, preview=preview, **changes)


class _Mesh:
    """A mesh that is there already."""

    def __init__(self, **more: Any) -> None:
        defaults: dict[str, Any] = {
            "provider": _Provider("kubernetes", "cluster", {}),
            "kubeconfig": pulumi.Output.secret("kubeconfig"),
            "context": "there",
            "namespace": "actors",
            "system_namespace": "system",
            "transport": "rabbitmq",
            "url": pulumi.Output.from_input("amqp://broker:5672/"),
        }
        self.target = KubernetesTarget(**{**defaults, **more})


class _Provider(pulumi.ProviderResource):
    """Stands for a cluster's provider."""


def on_a_cluster(**target: Any) -> _Mesh:
    """A mesh in a cluster that nobody has to make; call it inside of a program."""
    return _Mesh(**target)
