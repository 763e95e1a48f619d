"""``asya why``: collects the evidence of what holds an envelope: gateway, sidecars, logs, queues, store."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asya_cli.console import Console
from asya_cli.exit_codes import CommandError, ExitCode, GatewayAway, Unknown
from asya_cli.options import gateway_options, home_option, json_option
from asya_cli.up_words import up_words

if TYPE_CHECKING:
    import asyncio

    from asya_cli.gateway_client import Gateway
    from asya_local.mesh import MeshInfo
    from asya_manifest.explanation import ActorFacts, DeadFacts, Evidence, GroupFacts, Why
    from asya_protocol.names import QueueNames
    from asya_store.port import Store
    from asya_transport.port import QueueAdmin, Transport


@click.command(short_help="Say what holds an envelope.")
@click.argument("envelope_id", metavar="ID")
@gateway_options
@home_option
@json_option
def why(*, envelope_id: str, url: str | None, token_file: Path | None, home: Path, as_json: bool) -> None:
    """Say where the envelope ID is, its attempts, its last error, its next try, and what holds it.

    Asks the gateway where there is one, and in a local mesh the sidecars, their logs, the queues and the object store too.
    Exit code 5 when nobody knows anything of it.
    """
    from asya_cli.why_words import document, lines
    from asya_manifest.explanation import explain

    console = Console(as_json=as_json)
    evidence = gather(envelope_id, url, token_file, home, console)
    answer = explain(evidence)
    console.result(document(evidence, answer), list(lines(evidence, answer)))
    sys.exit(ExitCode.UNKNOWN if answer.held_by == "unknown" else ExitCode.SUCCESS)


def because(find: "Callable[[], Evidence]") -> "Why | None":
    """Say what holds an envelope to somebody who waits for it; ``None`` where nothing can be found out."""
    from asya_manifest.explanation import explain
    from asya_protocol.errors import AsyaError

    try:
        return explain(find())
    except (CommandError, AsyaError):
        return None


def by_gateway(gateway: "Gateway", envelope_id: str, events: "Sequence[Mapping[str, Any]] | None" = None) -> "Evidence":
    """Find out what a gateway alone can tell; ``events`` are its own of the envelope, where they are known."""
    from asya_manifest.explanation import Evidence

    return Evidence(
        id=envelope_id, now_s=time.time(), **_of_gateway(gateway, envelope_id, with_actors=True, events=events)
    )


def gather(
    envelope_id: str,
    url: str | None,
    token_file: Path | None,
    home: Path,
    console: Console,
    *,
    trace_id: str | None = None,
) -> "Evidence":
    """Find out what can be found out.

    Args:
        envelope_id: Whose.
        url: Of the gateway; ``None`` looks for one.
        token_file: For it.
        home: Folder of the local mesh.
        console: Told what could not be asked.
        trace_id: Of one send, where the id may have been sent before: dead letters of others are not its own.

    Raises:
        GatewayAway: There is neither a gateway nor a mesh to ask.
        Unknown: There is a gateway alone, and it does not know the envelope.
    """
    from asya_cli.gateway_place import find_gateway, own_gateway, same_place
    from asya_local import mesh
    from asya_manifest.explanation import Evidence

    info = mesh.find(home)
    gateway, _ = find_gateway(url, token_file, home)
    own = own_gateway(home)
    if info is not None and gateway is not None and (own is None or not same_place(gateway.url, own[0])):
        info = None  # somebody asks about another mesh than the one that runs here
    if info is None and gateway is None:
        raise GatewayAway(f"no gateway is known, and no mesh is running in {home}", up_words())
    found: dict[str, Any] = {}
    if gateway is not None:
        try:
            found |= _of_gateway(gateway, envelope_id, with_actors=info is None)
        except Unknown:
            if info is None:
                raise
        except GatewayAway as exc:
            if info is None:
                raise
            console.warn(exc.cause)
    if trace_id and found.get("trace", (trace_id, ""))[0] != trace_id:
        found = {}  # the gateway tells of another envelope with this id
    if info is not None:
        trace = found.get("trace", ("", ""))
        found |= _of_mesh(info, envelope_id, trace_id)
        found["trace"] = trace if trace[0] else found["trace"]
    return Evidence(id=envelope_id, now_s=time.time(), **found)


def _of_gateway(
    gateway: "Gateway",
    envelope_id: str,
    *,
    with_actors: bool,
    events: "Sequence[Mapping[str, Any]] | None" = None,
) -> dict[str, Any]:
    from asya_manifest.explanation import told_by_gateway

    record = gateway.envelope(envelope_id)
    events = [event.document for event in gateway.history(envelope_id)] if events is None else events
    trace = str(record.get("trace_id") or ""), str(record.get("trace_url") or "")
    found: dict[str, Any] = {"record": record, "events": events, "last": told_by_gateway(events), "trace": trace}
    if with_actors and (actors := gateway.actors()) is not None:
        found["actors"] = {name: _facts(name, entry) for name, entry in actors[1].items()}
        found["place"] = actors[0]
    return found


def _facts(name: str, entry: Mapping[str, Any], max_attempts: int | None = None) -> "ActorFacts":
    from asya_manifest.explanation import ActorFacts

    return ActorFacts(
        name=name,
        status=str(entry.get("status") or ""),
        message=str(entry.get("message") or ""),
        ready=entry.get("ready", entry.get("replicas")),
        desired=entry.get("desired"),
        queued=entry.get("queued"),
        in_flight=entry.get("in_flight"),
        max_attempts=max_attempts,
    )


def _of_mesh(info: "MeshInfo", envelope_id: str, trace_id: str | None) -> dict[str, Any]:
    from asya_cli.running_mesh import broker_environment
    from asya_local import mesh
    from asya_local.sent import find_sent
    from asya_local.trail import find_running, read_trail
    from asya_manifest.explanation import StepFacts
    from asya_protocol.trace import trace_link
    from asya_store.factory import open_store

    environment = broker_environment(info)
    attempts = _max_attempts(info)
    steps = read_trail(info.home, envelope_id)
    running = find_running(info.home, envelope_id)
    found: dict[str, Any] = {
        "place": "mesh",
        "actors": {
            actor["name"]: _facts(actor["name"], actor, attempts.get(actor["name"]))
            for actor in mesh.status(info.home).as_json()["actors"]
        },
        "running": None if running is None else (running.actor, running.attempt, running.for_s),
        "dead": _dead_letter(environment, envelope_id, trace_id),
    }
    sent = find_sent(info.home, envelope_id)
    traces = (trace_id, *(step.trace_id for step in reversed(steps)), sent.trace_id if sent else "")
    known = next(filter(None, traces), "")
    found["trace"] = known, trace_link(environment.get("ASYA_TRACE_URL"), known) or ""
    if steps and (sent is None or sent.at_s <= steps[-1].at_s):
        found["last"] = steps[-1]
    elif sent is not None:
        found["last"] = StepFacts(sent.at_s, "", "sent", to=sent.actor, until=sent.until)
    store = open_store(environment)
    if store is not None:
        parents = steps[-1].parents if steps else ()
        group = steps[-1].group if steps and steps[-1].result == "collected" else ""
        found |= _of_store(store, environment, envelope_id, (envelope_id, *parents), group, trace_id=trace_id)
    return found


def _max_attempts(info: "MeshInfo") -> dict[str, int]:
    """Attempts that each actor's manifest allows."""
    from asya_manifest.errors import ManifestError
    from asya_manifest.files import read_manifests

    try:
        declared = read_manifests(info.manifests).actors
    except ManifestError:
        return {}
    return {each.actor.name: each.actor.spec.retry.max_attempts for each in declared}


def _of_store(
    store: "Store",
    environment: Mapping[str, str],
    envelope_id: str,
    names: Iterable[str],
    collected_by: str,
    *,
    trace_id: str | None,
) -> dict[str, Any]:
    from asya_cli.found_result import FoundResult
    from asya_protocol.status import Status
    from asya_store.cancel_list import CancelList
    from asya_store.results import find_result

    found: dict[str, Any] = {"group": _group(store, envelope_id, collected_by)}
    result = find_result(store, environment, envelope_id, trace_id)
    if result is not None:
        ended = FoundResult(result[0] is Status.SUCCEEDED, result[1])
        found |= {"end": (result[0].value, ended.cause), "failed_at": ended.failed_at, "missing": ended.missing}
    cancels = CancelList(store)
    cancels.refresh()
    found["cancelled"] = any(name in cancels for name in names)
    return found


def _group(store: "Store", envelope_id: str, collected_by: str) -> "GroupFacts | None":
    """The group that the envelope opened, or that fan-in keeps it for, while it is not over."""
    from asya_crew.group_store import GroupStore
    from asya_crew.groups import opener_of
    from asya_manifest.explanation import GroupFacts

    groups = GroupStore(store)
    for group_id in (*groups.opened_by(envelope_id), *filter(None, (collected_by,))):
        group = groups.look(group_id, time.time())
        if group is not None:
            return GroupFacts(len(group.here), group.count, tuple(sorted(group.missing)), opener_of(group_id))
    return None


def _dead_letter(environment: Mapping[str, str], envelope_id: str, trace_id: str | None) -> "DeadFacts | None":
    """Look for the envelope in every dead letter queue that holds something; all stays where it is."""
    from asya_cli.running_mesh import on_broker
    from asya_manifest.explanation import DeadFacts
    from asya_protocol.names import DLQ_SUFFIX
    from asya_transport.dead_letters.filter import same_id, same_trace
    from asya_transport.dead_letters.redrive import Selection, browse, count_dead_letters

    async def look(
        transport: "Transport", admin: "QueueAdmin", queues: "QueueNames", stopping: "asyncio.Event"
    ) -> "DeadFacts | None":
        for queue, count in (await count_dead_letters(admin, queues.prefix)).items():
            if not count:
                continue
            where = [same_id(envelope_id), *([same_trace(trace_id)] if trace_id else [])]
            selection = Selection(where=where, stopping=stopping)
            for letter in (await browse(transport, admin, queue, limit=1, selection=selection)).entries:
                actor = queues.actor(queue).removesuffix(DLQ_SUFFIX)
                return DeadFacts(actor, letter.reason or "", letter.attempts, letter.deliveries)
        return None

    return on_broker(environment, look)
