"""McpTool: a route of actors that agents and programs can call by a name, through the gateway."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pulumi
import yaml

from asya_infra.actor import AsyncActor
from asya_infra.errors import ConfigError
from asya_infra.target import Mesh
from asya_manifest.schedules import parse_schedules
from asya_manifest.tools import InvalidTools, parse_tools

TYPE = "asya:index:McpTool"


class McpTool(pulumi.ComponentResource):
    """One tool.

    Args:
        name: As callers spell it; also the resource's.
        mesh: Whose gateway serves it.
        route: Actors in order, by component or by name.
        description: For whoever chooses among tools.
        parameters: By name, as the gateway's tool files have them: ``{"page": {"type": "string", "required": True}}``.
        timeout: Seconds; ``None`` leaves it to the gateway.
        progress: Whether answers name the stream.
        metadata: Told with every answer.
        schedules: When it is called by itself, as the gateway's tool files have them, without ``tool``.
        callback: Where the ends of its calls are told, as the gateway's tool files have it: ``{"url": ..., "secretRef": ...}``.
        opts: Options of the resource.

    Raises:
        ConfigError: The gateway would refuse the tool; names the place.
    """

    tool: pulumi.Output[str]
    """Its name."""

    def __init__(
        self,
        name: str,
        *,
        mesh: Mesh,
        route: Sequence[AsyncActor | pulumi.Input[str]],
        description: pulumi.Input[str] = "",
        parameters: Mapping[str, Any] | None = None,
        timeout: int | None = None,
        progress: bool | None = None,
        metadata: Mapping[str, pulumi.Input[str]] | None = None,
        schedules: Sequence[Mapping[str, Any]] = (),
        callback: Mapping[str, Any] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(TYPE, name, {}, opts)
        names = [actor.name if isinstance(actor, AsyncActor) else actor for actor in route]
        text = written_tool(
            name,
            names,
            description=description,
            parameters=parameters,
            timeout=timeout,
            progress=progress,
            metadata=metadata,
            schedules=list(schedules),
            callback=callback,
        )
        mesh.target.tool(name, text, self, [actor for actor in route if isinstance(actor, AsyncActor)])
        self.tool = pulumi.Output.from_input(name)
        self.register_outputs({"name": self.tool})


def written_tool(
    name: str,
    route: Sequence[pulumi.Input[str]],
    *,
    timeout: int | None = None,
    progress: bool | None = None,
    **said: Any,  # noqa: ANN401 - description, parameters, metadata, schedules and callback, with outputs in them
) -> pulumi.Input[str]:
    """``tool_file``, during the update where something of it is known only then; judged then, which is late.

    Raises:
        ConfigError: The gateway would refuse it.
    """
    write = partial(tool_file, name, timeout=timeout, progress=progress)
    if not _later([*route, said]):
        return write([str(actor) for actor in route], **said)
    return pulumi.Output.all(list(route), said).apply(lambda known: write(known[0], **known[1]))


def _later(value: Any) -> bool:  # noqa: ANN401 - nested arguments
    """Whether a value, or something in it, is known only during the update."""
    if isinstance(value, Mapping):
        return any(_later(item) for item in value.values())
    return any(_later(item) for item in value) if isinstance(value, list | tuple) else isinstance(value, pulumi.Output)


def tool_file(
    name: str,
    route: Sequence[str],
    *,
    description: str = "",
    parameters: Mapping[str, Any] | None = None,
    timeout: int | None = None,
    progress: bool | None = None,
    metadata: Mapping[str, str] | None = None,
    schedules: Sequence[Mapping[str, Any]] = (),
    callback: Mapping[str, Any] | None = None,
) -> str:
    """Write a tool as the gateway reads it, after asking the gateway's own reader whether it would.

    Raises:
        ConfigError: It would not.
    """
    tool: dict[str, Any] = {"name": name, "description": description, "route": list(route)}
    for key, value in (
        ("parameters", dict(parameters or {})),
        ("timeout", timeout),
        ("progress", progress),
        ("metadata", dict(metadata or {})),
        ("callback", dict(callback or {})),
    ):
        if value not in (None, {}):
            tool[key] = value
    called = {"schedules": [{**schedule, "tool": name} for schedule in schedules]} if schedules else {}
    text = yaml.safe_dump({"tools": [tool], **called}, sort_keys=False, allow_unicode=True)
    texts = [(f"McpTool {name}", text)]
    try:
        parse_schedules(texts, parse_tools(texts))
    except InvalidTools as exc:
        raise ConfigError(f"McpTool {name}", str(exc).removeprefix(f"McpTool {name}: ")) from None
    return text
