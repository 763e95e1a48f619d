"""``asya local``: the mesh on this machine, up and down, its state and its logs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from asya_cli.console import Console
from asya_cli.exit_codes import NotFound
from asya_cli.options import home_option, json_option
from asya_protocol.nearest import nearest

if TYPE_CHECKING:
    from asya_local.mesh import ActorStatus, MeshInfo

COLUMNS: Final = (
    "ACTOR", "STATUS", "RUNNING", "DESIRED", "MIN", "MAX", "QUEUED", "IN-FLIGHT", "DONE", "FAILED", "RESTARTS",
)  # fmt: skip


@click.group(short_help="Run actors as processes on this machine.")
def local() -> None:
    """Run actors as processes on this machine, scaled on the depth of their queues."""


@local.command()
@click.option(
    "-f", "--file", "manifests", multiple=True, required=True, metavar="PATH",
    type=click.Path(exists=True, path_type=Path), help="AsyncActor manifests: a file or a folder; may be repeated.",
)  # fmt: skip
@click.option(
    "--transport", type=click.Choice(["sqs", "rabbitmq", "memory"]), default="sqs", show_default=True,
    help="Broker: SQS on LocalStack, RabbitMQ, or one in memory.",
)  # fmt: skip
@click.option(
    "--source", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="FOLDER",
    help="Handlers' code; otherwise the annotation asya.sh/source, or the manifest's folder.",
)  # fmt: skip
@click.option(
    "--python", metavar="PROGRAM",
    help="Interpreter of the handlers; otherwise the manifest's, the activated environment's, .venv's beside the code, ours.",
)  # fmt: skip
@click.option(
    "--endpoint", metavar="URL", help="SQS and S3 endpoint that already runs, instead of starting LocalStack."
)
@click.option(
    "--rabbitmq-url", metavar="URL", help="Broker for --transport rabbitmq, amqp://user:password@host:port/vhost."
)
@click.option("--rabbitmq-management-url", metavar="URL", help="Its management API, to count in-flight envelopes.")
@click.option("--max-replicas", type=click.IntRange(min=1), help="Upper bound for every actor on this machine.")
@click.option(
    "--tools", multiple=True, type=click.Path(exists=True, path_type=Path), metavar="PATH",
    help="The gateway's tools: a file or a folder; may be repeated. Otherwise tools.yaml beside the manifests.",
)  # fmt: skip
@click.option(
    "--gateway-port", type=click.IntRange(min=1, max=65535), help="Where the gateway listens, otherwise any free port."
)
@click.option("--no-gateway", is_flag=True, help="Run no gateway: no tools, no console.")
@click.option("--no-reload", is_flag=True, help="Keep running the code as it was when a replica started.")
@home_option
@json_option
def up(
    *,
    manifests: tuple[Path, ...],
    transport: str,
    source: Path | None,
    python: str | None,
    endpoint: str | None,
    rabbitmq_url: str | None,
    rabbitmq_management_url: str | None,
    max_replicas: int | None,
    tools: tuple[Path, ...],
    gateway_port: int | None,
    no_gateway: bool,
    no_reload: bool,
    home: Path,
    as_json: bool,
) -> None:
    """Bring a mesh up, or make the running one follow the manifests.

    Its gateway serves the tools of tools.yaml and the console, on this machine alone; the token is in the mesh's folder, and
    the commands here find it there.
    """
    from asya_local import mesh

    console = Console(as_json=as_json)
    options = mesh.UpOptions(
        manifests=manifests,
        transport=transport,
        home=home,
        source=source,
        python=python,
        endpoint=endpoint,
        rabbitmq_url=rabbitmq_url,
        rabbitmq_management_url=rabbitmq_management_url,
        max_replicas=max_replicas,
        reload=not no_reload,
        gateway=not no_gateway,
        gateway_port=gateway_port,
        tools=tools,
    )
    with console.progress("starting the mesh") as step:
        info = mesh.up(options, step)
        actors = [actor.name for actor in mesh.status(home).actors]
        step("loading handlers")
        unloadable = mesh.find_unloadable(home)
    for note in info.notes:
        console.note(f"note: {note}")
    for actor, cause in unloadable.items():
        console.warn(f"{actor} cannot load its handler: {cause}")
    document = {
        "home": str(home), "transport": info.transport, "actors": actors, "found": info.found, "notes": info.notes,
        "gateway": info.gateway_url or None, "unloadable": unloadable,
    }  # fmt: skip
    console.result(document, list(_up_lines(info, home, actors)))


def _up_lines(info: "MeshInfo", home: Path, actors: list[str]) -> Iterator[str]:
    yield f"the mesh is up in {home} on {info.transport}: {', '.join(actors)}"
    if info.gateway_url:
        yield f"console: {info.gateway_url}/ (its token: {home / info.gateway_token_file.name})"
    yield "send something: asya send ACTOR --payload '{...}' --wait; take it down: asya local down"


@local.command()
@home_option
@json_option
def down(home: Path, as_json: bool) -> None:
    """Take the mesh down and leave no process behind; LocalStack's queues and results go with it."""
    from asya_local import mesh

    console = Console(as_json=as_json)
    with console.progress("taking the mesh down") as step:
        was_running = mesh.down(home, step)
    console.result(
        {"was_running": was_running}, "the mesh is down" if was_running else f"no mesh was running in {home}"
    )


@local.command()
@home_option
def mcp(home: Path) -> None:
    """Print what an MCP client needs to find this mesh's gateway, as .mcp.json has it.

    It holds the gateway's token: keep the file to yourself. Clients that keep such a file in the project read it as it is:
    asya local mcp > .mcp.json
    """
    from asya_cli.running_mesh import require_mesh

    info = require_mesh(home)
    if not info.gateway_url:
        raise NotFound(f"the mesh in {home} has no gateway", "asya local up without --no-gateway")
    token = info.gateway_token_file.read_text(encoding="utf-8").strip()
    server = {"type": "http", "url": f"{info.gateway_url}/mcp", "headers": {"Authorization": f"Bearer {token}"}}
    click.echo(json.dumps({"mcpServers": {"asya": server}}, indent=2))


@local.command()
@home_option
@json_option
def status(home: Path, as_json: bool) -> None:
    """Show every actor: replicas, queue, what is done and what failed."""
    from asya_cli.running_mesh import require_mesh
    from asya_local import mesh

    info = require_mesh(home)
    console = Console(as_json=as_json)
    found = mesh.status(home)
    if as_json:
        console.result(found.as_json())
        return
    actors = found.actors
    console.table(COLUMNS, [actor_row(actor) for actor in actors])
    for actor in actors:
        if actor.message:
            console.note(f"{actor.name}: {actor.message}")
    pythons: dict[str, list[str]] = {}
    for actor in actors:
        pythons.setdefault(actor.python, []).append(actor.name)
    for python, names in pythons.items():
        if python:
            console.note(f"python of {', '.join(names)}: {python}")
    if found.message:
        console.note(found.message)
    elif info.gateway_url and (told := mesh.gateway_words(info)):
        console.note(told)
    if info.gateway_url:
        console.result(None, f"console: {info.gateway_url}/")


@local.command()
@click.argument("actor", required=False)
@click.option("-F", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option(
    "-n", "--lines", type=click.IntRange(min=0), default=50, show_default=True, help="Newest lines of each log."
)
@home_option
@json_option
def logs(actor: str | None, follow: bool, lines: int, home: Path, as_json: bool) -> None:
    """Print the logs of the mesh, or of ACTOR's sidecars and runtimes, by time; also those of a mesh that has ended."""
    from asya_cli.logs import shown
    from asya_cli.running_mesh import require_mesh
    from asya_local import mesh

    console = Console(as_json=as_json)
    printed = False
    for line in mesh.logs(home, actor, follow, lines):
        console.result(line.as_json(), shown(line))
        printed = True
    if not printed:
        require_mesh(home)
        near = nearest(actor, [each.name for each in mesh.status(home).actors]) if actor else ""
        raise NotFound(f"there is no log of {actor or 'any actor'} in {home}{near}", "asya local status")


def actor_row(actor: "ActorStatus") -> tuple[str, ...]:
    """Write one actor as a row under ``COLUMNS``."""
    numbers = (
        actor.replicas, actor.desired, actor.min, actor.max,
        actor.queued, actor.in_flight, actor.done, actor.failed, actor.restarts,
    )  # fmt: skip
    return (actor.name, actor.status, *(str(number) for number in numbers))
