"""The plugin protocol: one gRPC server that answers the engine for a table of resource types.

The engine starts ``pulumi-resource-NAME ENGINE_ADDRESS`` and reads the port from the first line of its output. It may also be
told of a server that runs already (PULUMI_DEBUG_PROVIDERS); that one then serves all provider instances of a program, each
on a connection of its own. Semantics that the engine relies on are in ``answers.py``; this is the wire.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from lab.pulumi_standins import answers
from lab.pulumi_standins.kind import Kind
from lab.pulumi_standins.wire import Properties, dump, load, repeating_secrets, secret_keys

_MESSAGE_LIMIT_BYTES = 400 << 20
LOG_VARIABLE = "STANDIN_LOG"
"""Names a file that gets one line per call: the test's evidence of what the engine asked."""


def token(request: Any) -> str:
    """The resource type that a request is about."""
    return str(request.type or request.urn.split("::")[-2].split("$")[-1])


def logical_name(request: Any) -> str:
    """The name that the program gave the resource."""
    return str(request.name or request.urn.split("::")[-1])


class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine.

    Args:
        name: The package, as ``aws``.
        version: The version of its SDK.
        sdk: The SDK's Python package; its types decide which inputs there are.
        kinds: The resource types there are, by token.
        functions: The functions there are, by token.
        connect: Makes what kinds and functions get, from the provider's configuration.
    """

    def __init__(
        self,
        *,
        name: str,
        version: str,
        sdk: str,
        kinds: Mapping[str, Kind[Any]],
        functions: Mapping[str, Callable[[Any, Properties], Properties]],
        connect: Callable[[Properties], Any],
    ) -> None:
        self._name, self._version, self._sdk = name, version, sdk
        self._kinds, self._functions, self._connect = kinds, functions, connect
        self._connected: dict[str, Any] = {}

    def _log(self, call: str, request: Any = None) -> None:
        if path := os.environ.get(LOG_VARIABLE):
            about = getattr(request, "urn", "") or getattr(request, "tok", "")
            preview = " preview" if getattr(request, "preview", False) else ""
            with Path(path).open("a", encoding="utf-8") as log:
                log.write(f"{time.time():.2f} {self._name} {call} {about}{preview}\n")

    def _clients(self, context: Any) -> Any:
        """What this provider instance reaches; instances differ in region or cluster."""
        return self._connected[context.peer()]

    def _kind(self, request: Any) -> Kind[Any]:
        return self._kinds[token(request)]

    # --- the plugin itself ---

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's names, here and below
        """The first call: what this plugin understands."""
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, accept_resources=True, accept_outputs=False, supports_autonaming_configuration=True
        )

    def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Sent to a plugin that was running already."""
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The update is being interrupted; calls in flight end by themselves."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Its version."""
        return plugin_pb2.PluginInfo(version=self._version)

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The provider's own inputs."""
        self._log("CheckConfig", request)
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Whether another configuration needs other resources: never, of one account or cluster."""
        same = request.olds == request.news
        changes = provider_pb2.DiffResponse.DIFF_NONE if same else provider_pb2.DiffResponse.DIFF_SOME
        return provider_pb2.DiffResponse(changes=changes)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Connect to the service."""
        self._log("Configure", request)
        with self._guarded(context):
            self._connected[context.peer()] = self._connect(load(request.args))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, acceptResources=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    # --- resources ---

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Complete the inputs with a name, and refuse what the real plugin would refuse."""
        self._log("Check", request)
        kind = self._kinds.get(token(request))
        if kind is None:
            reason = f"the stand-in for {self._name} has no resource {token(request)}"
            return provider_pb2.CheckResponse(failures=[provider_pb2.CheckFailure(reason=reason)])
        proposed = request.autonaming.proposed_name if request.HasField("autonaming") else ""
        inputs = answers.named(
            kind,
            load(request.news),
            load(request.olds),
            proposed=proposed,
            logical=logical_name(request),
            seed=request.randomSeed,
        )
        found = answers.refusals(kind, token(request), inputs, self._sdk)
        failures = [provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in found]
        return provider_pb2.CheckResponse(inputs=dump(inputs, secret_keys(request.news)), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Compare inputs."""
        self._log("Diff", request)
        kind = self._kind(request)
        old, new = load(request.old_inputs), load(request.news)
        changes = answers.changes(old, new, kind.force_new, request.ignoreChanges)
        replaces = sorted(change.name for change in changes if change.replaces)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=replaces,
            diffs=[change.name for change in changes],
            deleteBeforeReplace=bool(replaces) and kind.collides(old, new),
            hasDetailedDiff=True,
            detailedDiff={c.name: _property_diff(c) for c in changes},
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Make it, or in a preview say which outputs will be known only then."""
        self._log("Create", request)
        kind, secrets = self._kind(request), secret_keys(request.properties)
        inputs = answers.without_marks(load(request.properties))
        if request.preview:
            shown = answers.previewed(token(request), inputs, self._sdk)
            return provider_pb2.CreateResponse(id="", properties=dump(shown, secrets | kind.secret_outputs))
        with self._guarded(context):
            identifier = kind.create(self._clients(context), inputs)
            live = kind.read(self._clients(context), identifier, inputs)
            if live is None:
                raise RuntimeError(f"{token(request)} {identifier} was created and then not found")
        outputs = answers.combined(live.outputs, inputs)
        hidden = secrets | kind.secret_outputs | repeating_secrets(outputs, request.properties)
        return provider_pb2.CreateResponse(id=identifier, properties=dump(outputs, hidden))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Look at it, for a refresh or an import."""
        self._log("Read", request)
        kind, declared, state = self._kind(request), load(request.inputs), load(request.properties)
        with self._guarded(context):
            live = kind.read(self._clients(context), request.id, state or declared)
        if live is None:
            return provider_pb2.ReadResponse(id="")
        inputs = answers.drifted(declared, live.inputs)
        outputs = answers.combined({**state, **live.outputs}, answers.without_marks(inputs))
        secrets = secret_keys(request.inputs)
        hidden = secrets | kind.secret_outputs | repeating_secrets(outputs, request.inputs)
        return provider_pb2.ReadResponse(id=request.id, inputs=dump(inputs, secrets), properties=dump(outputs, hidden))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Change it in place."""
        self._log("Update", request)
        kind, secrets = self._kind(request), secret_keys(request.news)
        old, new = load(request.olds), answers.without_marks(load(request.news))
        if request.preview:
            return provider_pb2.UpdateResponse(properties=dump({**old, **new}, secrets | kind.secret_outputs))
        with self._guarded(context):
            kind.update(self._clients(context), request.id, old, new)
            live = kind.read(self._clients(context), request.id, new)
            if live is None:
                raise RuntimeError(f"{token(request)} {request.id} was updated and then not found")
        outputs = answers.combined(live.outputs, new)
        hidden = secrets | kind.secret_outputs | repeating_secrets(outputs, request.news)
        return provider_pb2.UpdateResponse(properties=dump(outputs, hidden))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Remove it; a kind takes what is gone already for removed."""
        self._log("Delete", request)
        with self._guarded(context):
            self._kind(request).delete(self._clients(context), request.id, load(request.properties))
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Call a function."""
        self._log("Invoke", request)
        with self._guarded(context):
            if request.tok not in self._functions:
                raise KeyError(f"the stand-in for {self._name} has no function {request.tok}")
            found = self._functions[request.tok](self._clients(context), load(request.args))
        answer: Any = {"return": dump(found)}  # Its name is a keyword of Python.
        return provider_pb2.InvokeResponse(**answer)

    def _guarded(self, context: Any) -> "_Guard":
        return _Guard(context)


def _property_diff(change: answers.Change) -> provider_pb2.PropertyDiff:
    code: Any = change.code
    return provider_pb2.PropertyDiff(kind=code, inputDiff=True)


class _Guard:
    """Turns an exception into the error that the engine shows at the resource."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception):
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        self._context.abort(grpc.StatusCode.UNKNOWN, f"{type(error).__name__}: {error}")
        raise AssertionError("abort raises")


def serve(plugin: provider_pb2_grpc.ResourceProviderServicer) -> None:
    """Serve until the engine ends this process; nothing but the port may be written to standard output."""
    server = grpc.server(
        futures.ThreadPoolExecutor(32), options=[("grpc.max_receive_message_length", _MESSAGE_LIMIT_BYTES)]
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(plugin, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
