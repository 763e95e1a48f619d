"""``asya send``: put one envelope on the queue of the first actor of its route."""

import os
import re
import secrets
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from asya_cli.console import Console
from asya_cli.exit_codes import BadRequest, NotFound
from asya_cli.options import Duration, home_option, json_option
from asya_protocol import names
from asya_protocol.durations import parse_duration
from asya_protocol.envelope import Envelope, format_time

_OWN_HEADERS: Final = re.compile(r"x-asya-", re.IGNORECASE)


@click.command(short_help="Send one envelope along a route of actors.")
@click.argument("actors", metavar="ACTOR...", nargs=-1, required=True)
@click.option(
    "--payload", required=True, metavar="JSON|@FILE|-", help="JSON text, @file that holds it, or - for stdin."
)
@click.option("--id", "envelope_id", metavar="ID", help="The envelope's id; made up when not given.")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="A header; may be repeated.")
@click.option("--deadline", type=Duration(), metavar="DURATION", help="Nobody wants the result after, e.g. 5m.")
@click.option("--in", "delay_s", type=Duration(), metavar="DURATION", help="No handler takes it before, e.g. 20m.")
@click.option("--at", "moment", metavar="TIME", help="The same as a time with its zone, e.g. 2026-12-01T08:00Z.")
@click.option("--wait", is_flag=True, help="Wait for the result and print it.")
@click.option(
    "--timeout", "timeout_s", type=Duration(), default=60.0, show_default="60s", help="How long --wait waits."
)
@home_option
@json_option
def send(
    *,
    actors: tuple[str, ...],
    payload: str,
    envelope_id: str | None,
    headers: tuple[str, ...],
    deadline: float | None,
    delay_s: float | None,
    moment: str | None,
    wait: bool,
    timeout_s: float,
    home: Path,
    as_json: bool,
) -> None:
    """Send one envelope along the route ACTOR..., e.g. asya send ocr translate --payload '{"page": 1}'.

    A handler that returns a list fans out: the first item keeps the id, the others are ID-1, ID-2 and so on.
    """
    from asya_cli.result import print_result, wait_for_result
    from asya_cli.running_mesh import broker_environment, deliver, require_mesh
    from asya_cli.streamed import Following, PieceWriter
    from asya_cli.why import because, gather
    from asya_local.mesh import known_actors, wrong_route
    from asya_local.sent import SendNote, note_sent
    from asya_protocol.not_before import left_s
    from asya_protocol.trace import trace_id_of
    from asya_store.claims import ClaimCheck
    from asya_store.factory import open_store

    console, now = Console(as_json=as_json), datetime.now(UTC)
    not_before = read_moment(delay_s, moment, now)
    envelope = build_envelope(
        actors,
        read_payload(payload),
        envelope_id=envelope_id or str(uuid.uuid4()),
        headers=read_headers(headers),
        deadline=None if deadline is None else now + timedelta(seconds=deadline),
        not_before=not_before,
    )
    mesh = require_mesh(home)
    if wrong := wrong_route(actors, known_actors(home)):
        raise NotFound(wrong, "asya local status")
    environment = broker_environment(mesh)
    store = open_store(environment)
    following = Following(home, envelope.id, PieceWriter())
    if wait and not as_json:
        following.begin()
    body = envelope.dump() if store is None else ClaimCheck(store).leave(envelope.dump())
    now_s, trace_id = time.time(), trace_id_of(envelope.headers[names.HEADER_TRACEPARENT])
    deliver(environment, actors[0], body, left_s(not_before, now))
    until = "" if not_before is None else format_time(not_before)
    note_sent(home, envelope.id, SendNote(now_s, actors[0], trace_id or "", until))
    if not wait:
        console.result({"id": envelope.id, "route": list(actors)}, envelope.id)
        return
    console.note(f"sent {envelope.id}")
    found = wait_for_result(
        environment,
        envelope.id,
        timeout_s,
        console,
        lambda: because(lambda: gather(envelope.id, None, None, home, console, trace_id=trace_id)),
        trace_id=trace_id,
    )
    following.end()
    print_result(console, found)
    sys.exit(found.exit_code)


def build_envelope(
    actors: Sequence[str],
    payload: bytes,
    *,
    envelope_id: str,
    headers: Mapping[str, object],
    deadline: datetime | None,
    not_before: datetime | None = None,
) -> Envelope:
    """Build an envelope whose turn it is at the first actor, in a new trace unless the headers continue one.

    Raises:
        BadRequest: The route lists an end actor or a name that cannot be one.
        EnvelopeError: The envelope breaks a rule of the protocol.
    """
    from asya_protocol.new_envelope import new_envelope

    for actor in actors:
        if actor in names.RESERVED_ACTORS:
            raise BadRequest(
                f"{actor!r} cannot be part of a route: the sidecars send there by themselves",
                "leave it out; every route ends there anyway",
            )
    return new_envelope(
        actors,
        payload,
        envelope_id=envelope_id,
        trace_id=secrets.token_hex(16),
        span_id=secrets.token_hex(8),
        headers=headers,
        deadline=deadline,
        not_before=not_before,
    )


def read_moment(delay_s: float | None, moment: str | None, now: datetime) -> datetime | None:
    """Read ``--in`` or ``--at``; ``None`` for at once.

    Raises:
        BadRequest: It cannot be.
    """
    from asya_protocol.not_before import LONGEST_WAIT, choose

    try:
        longest_s = parse_duration(os.environ.get("ASYA_LONGEST_WAIT") or LONGEST_WAIT)
        return choose(delay_s, moment, now, longest_s)
    except ValueError as exc:
        raise BadRequest(f"{'--at' if delay_s is None else '--in'} {exc}") from None


def read_payload(text: str) -> bytes:
    """Read ``--payload``: JSON text, ``@file`` or ``-``; strict JSON, as the sidecars demand.

    Raises:
        BadRequest: The file cannot be read or its text is not JSON.
    """
    import msgspec

    try:
        if text == "-":
            raw = sys.stdin.buffer.read()
        elif text.startswith("@"):
            raw = Path(text[1:]).read_bytes()
        else:
            raw = text.encode()
        msgspec.json.decode(raw)
    except OSError as exc:
        raise BadRequest(f"the payload cannot be read: {exc}") from exc
    except (msgspec.DecodeError, UnicodeError) as exc:
        raise BadRequest(
            f"the payload is not JSON: {exc}", 'quote it for the shell: --payload \'{"who": "you"}\''
        ) from exc
    return raw.strip()


def read_headers(pairs: Sequence[str]) -> dict[str, object]:
    """Read ``--header name=value`` options; values are text.

    Raises:
        BadRequest: A pair has no name or no ``=``, or is one of the mesh's own headers.
    """
    headers: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise BadRequest(f"--header {pair!r} is not NAME=VALUE")
        if _OWN_HEADERS.match(name) and name != names.HEADER_ON_MISSING:
            raise BadRequest(f"--header {name}: headers that start with x-asya- belong to the mesh")
        headers[name] = value
    return headers
