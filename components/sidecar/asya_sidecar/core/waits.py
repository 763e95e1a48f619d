"""Envelopes that wait: for a limit, or for the moment before which no handler may take them. Pure; time is an argument.

A wait holds no replica and costs no attempt and no delivery: the envelope goes back to its queue with a delay, as it came.
Where the broker knows no delay that long, it comes and goes several times.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from asya_protocol import names
from asya_protocol.durations import format_duration
from asya_protocol.envelope import Envelope, format_time
from asya_protocol.errors import InvalidEnvelope
from asya_protocol.not_before import left_s, read_not_before
from asya_sidecar.core.actions import Decision, RetryLater
from asya_sidecar.core.admit import Hop, Work, refuse
from asya_sidecar.core.build import with_counters


def come_again(
    work: Work,
    hop: Hop,
    delay_s: float,
    cause: str,
    now: datetime,
    *,
    result: str,
    told: Mapping[str, int] | None = None,
) -> Decision:
    """Let an envelope come again, at no cost; one whose deadline passes before that ends now.

    Args:
        work: The envelope.
        hop: This actor.
        delay_s: After how long.
        cause: What it waits for, for people.
        now: UTC.
        result: Word for logs and metrics.
        told: Counters for its next look at this hop, by header.
    """
    deadline = work.envelope.deadline
    if deadline is not None and now + timedelta(seconds=delay_s) >= deadline:
        text = f"Deadline passes while the envelope waits {format_duration(round(delay_s, 3))} for {cause}"
        return refuse(work.envelope, hop, text, "deadline")
    copy = with_counters(work.source or work.body, attempt=work.attempt, delivery=work.delivery, more=told)
    return Decision(RetryLater(copy, delay_s), result, cause=cause, about=work.envelope)


def not_yet(work: Work, hop: Hop, now: datetime) -> Decision | None:
    """Look whether an envelope's moment has come.

    Returns:
        ``None`` where it has, else the decision for one that waits, or that can never have its turn.
    """
    if names.HEADER_NOT_BEFORE not in work.envelope.headers or hop.is_end_actor:
        return None
    try:
        moment = read_not_before(work.envelope.headers)
    except InvalidEnvelope as exc:
        return refuse(work.envelope, hop, str(exc), "validation_error")
    wait_s = left_s(moment, now)
    if moment is None or not wait_s:
        return None
    until = format_time(moment)
    if wait_s > hop.longest_wait_s:
        text = (
            f"Header {names.HEADER_NOT_BEFORE!r} is {until}, {format_duration(round(wait_s))} after this replica's clock"
            f" ({format_time(now.replace(microsecond=0))}); ASYA_LONGEST_WAIT allows {format_duration(hop.longest_wait_s)}"
        )
        return refuse(work.envelope, hop, text, "validation_error")
    decision = come_again(work, hop, wait_s, f"its moment, {until}", now, result="waiting")
    return replace(decision, until=moment) if decision.result == "waiting" else decision


def rest(
    made: Envelope, asked: Mapping[str, object] | None, given: Mapping[str, object], now: datetime, longest_s: float
) -> tuple[Envelope, datetime | None]:
    """Give an output the moment before which its next handler may not take it.

    Args:
        made: The output.
        asked: Headers as the handler returned them.
        given: Headers of its input; what a handler hands back unchanged is no wish of its own.
        now: UTC.
        longest_s: No wait is longer.

    Returns:
        The output, and the moment up to which it rests with the broker. One that can never have its turn does not rest: its
        next hop says what is wrong.
    """
    made = made.with_headers({names.HEADER_NOT_BEFORE: None})
    if made.route.actor is None:
        return made, None  # its end is not put off
    delay = _own(names.HEADER_DELAY, asked, given)
    wanted = _own(names.HEADER_NOT_BEFORE, asked, given) if delay is None else _after(delay, now)
    if wanted is None:
        return made, None
    made = made.with_headers({names.HEADER_NOT_BEFORE: wanted})
    try:
        moment = read_not_before(made.headers)
    except InvalidEnvelope:
        return made, None
    if not 0 < left_s(moment, now) <= longest_s or _is_over(made, moment):
        return made, None
    return made, moment


def _is_over(made: Envelope, moment: datetime | None) -> bool:
    return made.deadline is not None and moment is not None and moment >= made.deadline


def _own(name: str, asked: Mapping[str, object] | None, given: Mapping[str, object]) -> object:
    """What a handler says in a header; ``None`` where it says nothing, or only what it was told."""
    said = None if asked is None else asked.get(name)
    return None if said == given.get(name) else said


def _after(delay: object, now: datetime) -> str:
    """Write the moment of a delay; what is none keeps its words, for the next hop to refuse."""
    if not isinstance(delay, bool) and isinstance(delay, int | float) and delay >= 0:
        with suppress(OverflowError):
            return format_time(now + timedelta(seconds=delay))
    return f"{str(delay)[:60]} seconds later"
