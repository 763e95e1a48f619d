"""What a hop tells ``fan-in`` about the children of a fan-out: who belongs together, how many there are, who will not come.

A hop that makes several envelopes whose routes still lead to ``fan-in`` opens a *group* and puts an entry on the stack in
their header ``x-asya-fan-in``: ``{"group", "index", "count"?}``. Fan-in takes the top entry off, so that groups nest. Ids of
groups follow from the envelope and the place in the route: a hop that runs again opens the same group. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from asya_protocol import names
from asya_protocol.envelope import Envelope, Route, as_child, origin_mark, read_lineage
from asya_protocol.replay import replay_mark
from asya_protocol.trace import trace_id_of
from asya_sidecar.core.actions import Send
from asya_sidecar.core.build import count_of

TRACE_CHARS: Final = 8
"""Of a trace's id in a group's: enough to tell sends of one id apart."""
_OWN: Final = (names.HEADER_ATTEMPT, names.HEADER_DELIVERY, names.HEADER_NOT_BEFORE, names.HEADER_CLAIM)


def place_ahead(route: Route, open_groups: int = 1) -> int | None:
    """Find where the innermost open group of an envelope is joined, the current actor left out.

    Of fan-ins side by side the last ones are for groups that are open; those before them are for groups that were still to be
    opened within.

    Args:
        route: Of the envelope.
        open_groups: How many there are, the one that is asked about being the innermost.

    Returns:
        The place in the route; ``None`` where no fan-in is ahead.
    """
    ahead = range(route.current + 1, len(route.actors))
    first = next((place for place in ahead if route.actors[place] == names.FAN_IN), None)
    if first is None:
        return None
    beyond = next((n for n in range(first, len(route.actors)) if route.actors[n] != names.FAN_IN), len(route.actors))
    return max(first, beyond - open_groups)


def leads_to_fan_in(route: Route) -> bool:
    """Whether an envelope with this route, on its way to its current actor, will come to fan-in."""
    return names.FAN_IN in route.actors[route.current :]


def stack_of(headers: Mapping[str, object]) -> list[dict[str, object]]:
    """Read the stack of an envelope's groups, innermost last; what is no stack reads as empty."""
    found = headers.get(names.HEADER_FAN_IN)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def is_joined(envelope: Envelope) -> bool:
    """Whether fan-in takes an envelope into its group: a child, not a notice about one, nor a timer."""
    stack = stack_of(envelope.headers)
    return bool(stack) and isinstance(stack[-1].get("index"), int) and stack[-1].get("missing") is None


def innermost_group(envelope: Envelope) -> object:
    """Id of the group that an envelope is to be joined with; ``None`` when it belongs to none."""
    stack = stack_of(envelope.headers)
    return stack[-1].get("group") if stack else None


def group_id(envelope: Envelope) -> str:
    """Name the group that an envelope's hop opens.

    A delivery that comes again names the same one; another attempt of the hop, what is sent again and what is replayed name
    one of their own.
    """
    headers = envelope.headers
    trace_id = trace_id_of(headers.get(names.HEADER_TRACEPARENT)) or ""
    tries = f"{count_of(headers, names.HEADER_ATTEMPT)}.{count_of(headers, names.HEADER_DELIVERY)}"
    if again := replay_mark(envelope):
        tries = f"{tries}.{again}"
    ours = [origin_mark(headers), trace_id[:TRACE_CHARS], "" if tries == "1.1" else f"try{tries}"]
    return "~".join([f"{envelope.id}@{envelope.route.current}", *filter(None, ours)])


def join_group(made: Envelope, parent: Envelope, index: int, count: int | None) -> Envelope:
    """Put a child into its parent's group, where its route leads to fan-in.

    There the first child gets an id of its own too: the parent's is for what fan-in makes of them all.

    Args:
        made: The child.
        parent: The envelope whose hop made it.
        index: Its place among its siblings.
        count: How many there are; ``None`` while nobody knows.
    """
    if not leads_to_fan_in(made.route):
        return made
    entry: dict[str, object] = {"group": group_id(parent), "index": index}
    if count is not None:
        entry["count"] = count
    return as_child(made, parent, index).with_headers({names.HEADER_FAN_IN: [*stack_of(made.headers), entry]})


def close_group(parent: Envelope, route: Route, count: int) -> tuple[Send, ...]:
    """Tell fan-in how many children a stream had, now that it has ended.

    Args:
        parent: The envelope whose hop made them.
        route: Theirs.
        count: How many there were.
    """
    group = group_id(parent)
    stack = [*stack_of(parent.headers), {"group": group, "count": count, "end": True}]
    place = place_ahead(replace(route, current=parent.route.current), len(stack))
    if place is None:
        return ()
    return (_notice(replace(parent, route=route), f"{group}/end", place, stack),)


def call_off(parent: Envelope, reason: str) -> tuple[Send, ...]:
    """Tell fan-in not to join what a hop has made so far: the hop failed, and its own end is reported elsewhere.

    Args:
        parent: The envelope whose hop made it.
        reason: For people.
    """
    group = group_id(parent)
    stack: list[Mapping[str, object]] = [*stack_of(parent.headers), {"group": group, "called_off": reason[:500]}]
    place = place_ahead(parent.route, len(stack))
    if place is None:
        return ()
    return (_notice(parent, f"{group}/called-off", place, stack),)


def give_up(envelope: Envelope, actor: str, reason: str) -> tuple[Send, ...]:
    """Tell fan-in that an envelope will not come: it ended here.

    Args:
        envelope: As it came to this hop.
        actor: This hop's actor.
        reason: For people.
    """
    stack = stack_of(envelope.headers)
    if actor == names.FAN_IN and stack:
        ended = stack.pop()  # the group that failed to join; what waits is the one around it
        if "index" in ended:  # a child's, or about one: from here on it is about the envelope that opened the group
            envelope = envelope.with_headers({names.HEADER_LINEAGE: list(read_lineage(envelope.headers)[:-1]) or None})
    place = place_ahead(envelope.route, len(stack))
    if not stack or place is None:
        return ()
    stack[-1] = {**stack[-1], "missing": reason[:500]}
    return (_notice(envelope, f"{stack[-1].get('group')}/{stack[-1].get('index')}/missing", place, stack),)


def _notice(about: Envelope, notice_id: str, place: int, stack: Sequence[Mapping[str, object]]) -> Send:
    notice = replace(
        about,
        id=notice_id,
        parent_id=about.id,
        route=replace(about.route, current=place),
        payload=msgspec.Raw(b"null"),
        deadline=None,
    ).with_headers({**dict.fromkeys(_OWN), names.HEADER_FAN_IN: list(stack)})
    return Send(names.FAN_IN, notice.dump(), "notice")
