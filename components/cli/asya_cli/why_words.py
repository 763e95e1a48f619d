"""How the answer of ``asya why`` is written, for programs and for people. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime

from asya_manifest.explanation import Evidence, Why


def document(evidence: Evidence, why: Why) -> dict[str, object]:
    """Shape the answer for ``--json``; what is not known is null."""
    record = evidence.record or {}
    facts = evidence.facts
    due_s = evidence.next_try_s if why.held_by in ("retry", "gateway", "limit") else None
    until_s = evidence.until_s if why.held_by == "moment" else None
    return {
        "id": evidence.id,
        "status": status_of(evidence, why),
        "held_by": why.held_by,
        "because": why.because,
        "where": None if why.held_by in ("nothing", "failed", "cancelled") else evidence.where or None,
        "route": list(evidence.route) or None,
        "progress_percent": record.get("progress_percent"),
        "attempts": evidence.attempts,
        "max_attempts": None if facts is None else facts.max_attempts,
        "last_error": evidence.error or None,
        "next_retry_at": None if due_s is None else _moment(due_s),
        "waits_until": None if until_s is None else _moment(until_s),
        "queued": None if facts is None else facts.queued,
        "replicas_ready": None if facts is None else facts.ready,
        "deadline": record.get("deadline"),
        "trace_id": evidence.trace[0] or None,
        "trace_url": evidence.trace[1] or None,
        "cure": why.cure or None,
    }


def status_of(evidence: Evidence, why: Why) -> str:
    """Its state in a word."""
    if why.held_by == "nothing":
        return "succeeded" if "succeeded" in why.because else "settled"
    if why.held_by in ("failed", "cancelled", "dead_letter"):
        return {"dead_letter": "dead letter"}.get(why.held_by, why.held_by)
    return str((evidence.record or {}).get("status") or ("unknown" if why.held_by == "unknown" else "running"))


def lines(evidence: Evidence, why: Why) -> Iterator[str]:
    """Write the answer on one screen."""
    told = document(evidence, why)
    route = " ".join(f"[{actor}]" if actor == told["where"] else actor for actor in evidence.route)
    attempts = told["attempts"]
    of = f" of {told['max_attempts']}" if attempts is not None and told["max_attempts"] is not None else ""
    rows = {
        "id": evidence.id,
        "status": told["status"],
        "because": why.because,
        "where": told["where"],
        "route": route,
        "attempts": None if attempts is None else f"{attempts}{of}",
        "last error": told["last_error"] if str(told["last_error"] or "") not in why.because else None,
        "next try": told["next_retry_at"],
        "deadline": told["deadline"],
        "trace": told["trace_url"] or told["trace_id"],
        "try": why.cure,
    }
    for name, value in rows.items():
        if value:
            yield f"{name:10} {value}"


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
