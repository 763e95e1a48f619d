"""Every rule of what holds an envelope, and the order in which they are looked at."""

from dataclasses import replace
from typing import Any

import pytest

from asya_cli.why_words import document, lines
from asya_manifest.explanation import ActorFacts, DeadFacts, Evidence, GroupFacts, StepFacts, explain, told_by_gateway
from asya_protocol import names

NOW = 1_000.0
ROUTE = ["ocr", "translate"]
BARE = Evidence("e1", NOW)
OCR = ActorFacts("ocr", "Running", ready=1, desired=2, queued=12, in_flight=3, max_attempts=3)
ACTORS = {"ocr": OCR, "translate": replace(OCR, name="translate", queued=0, in_flight=0)}


def record(status: str = "running", **more: Any) -> dict[str, Any]:
    return {"id": "e1", "status": status, "route": {"actors": ROUTE, "current": 0}, "progress_percent": 25.0, **more}


def told(phase: str, index: int) -> dict[str, Any]:
    return {"envelope_state": phase, "current_actor_idx": index, "actors": ROUTE, "actor": ROUTE[index]}


def step(result: str, **more: Any) -> StepFacts:
    return StepFacts(at_s=NOW - 4, actor="ocr", result=result, **more)


@pytest.mark.parametrize(
    ("evidence", "held_by", "because"),
    [
        (replace(BARE, record=record("succeeded")), "nothing", "it has succeeded"),
        (replace(BARE, end=("succeeded", "")), "nothing", "it has succeeded"),
        (
            replace(BARE, last=step("duplicate", cause="done before, within the dedup window")),
            "duplicate",
            "ocr has done it before, so that it was not run again; its end is that of the send before",
        ),
        (
            replace(BARE, last=step("waiting", again_in_s=900.0, until="1970-01-01T02:00:00Z")),
            "moment",
            "it waits at ocr until 1970-01-01T02:00:00Z, for another 1h43m20s",
        ),
        (
            replace(BARE, last=step("success", to="translate", until="1970-01-01T02:00:00Z")),
            "moment",
            "it waits at translate until 1970-01-01T02:00:00Z, for another 1h43m20s",
        ),
        (
            replace(BARE, last=step("waiting", again_in_s=4.0, until="1970-01-01T00:16:40Z"), actors=ACTORS),
            "queue",
            "it waits in the queue of ocr; 12 queued, 3 in hand, 1 of 2 replicas ready",
        ),
        (
            replace(BARE, record=record(), events=[{**told("completed", 0), "until": "1970-01-01T02:00:00Z"}]),
            "moment",
            "it waits at translate until 1970-01-01T02:00:00Z, for another 1h43m20s",
        ),
        (
            replace(BARE, record=record(headers={names.HEADER_NOT_BEFORE: "1970-01-01T02:00:00Z"})),
            "moment",
            "it waits at ocr until 1970-01-01T02:00:00Z, for another 1h43m20s",
        ),
        (
            replace(BARE, last=step("limited", again_in_s=10.0, cause="limit 'openai': 2 requests a minute")),
            "limit",
            "it waits at ocr, at no cost, for limit 'openai': 2 requests a minute; it asks again in 6.0 s",
        ),
        (
            replace(BARE, end=("succeeded", ""), missing=(1,)),
            "nothing",
            "it has succeeded without child 1 of its fan-out",
        ),
        (replace(BARE, record=record("failed", error="no paper")), "failed", "it has failed: no paper"),
        (
            replace(BARE, record=record("failed", error="code", result={"details": {"type": "E", "message": "torn"}})),
            "failed",
            "it has failed: code: E: torn",
        ),
        (
            replace(BARE, record=record("failed", error="E", result={"failed_actor": "translate"})),
            "failed",
            "it has failed at translate: E",
        ),
        (replace(BARE, end=("failed", "E: torn"), failed_at="ocr"), "failed", "it has failed at ocr: E: torn"),
        (replace(BARE, end=("failed", "E: torn")), "failed", "it has failed: E: torn"),
        (replace(BARE, record=record("failed", error=names.CANCELLED)), "cancelled", "its caller has cancelled it"),
        (
            replace(BARE, record=record("failed", error="crash"), dead=DeadFacts("ocr", "crash", 1, 5)),
            "dead_letter",
            "it is a dead letter of ocr: crash",
        ),
        (
            replace(BARE, dead=DeadFacts("ocr")),
            "dead_letter",
            "it is a dead letter of ocr: the broker moved it there: it was handed out too often",
        ),
        (
            replace(BARE, running=("ocr", 2, 3.21), last=step("retried", attempt=1, again_in_s=1.0)),
            "handler",
            "the handler of ocr has been at work on it for 3.2 s, attempt 2",
        ),
        (
            replace(BARE, running=("ocr", 1, 0.5), cancelled=True),
            "cancelling",
            "it is cancelled and ends within seconds; the handler of ocr has been at work on it for 0.5 s",
        ),
        (
            replace(BARE, record=record(), cancelled=True),
            "cancelling",
            "it is cancelled; it ends when its turn comes at ocr",
        ),
        (
            replace(BARE, last=step("retried", attempt=2, cause="E: torn", again_in_s=10.0)),
            "retry",
            "attempt 2 at ocr failed: E: torn; the next one in 6.0 s",
        ),
        (
            replace(BARE, last=step("retried", attempt=2, cause="E: torn", again_in_s=1.0)),
            "retry",
            "attempt 2 at ocr failed: E: torn; the next one due for 3 s: it waits in the queue",
        ),
        (
            replace(
                BARE,
                last=step("retried", attempt=1, delivery=2, deliveries=5, cause="killed", again_in_s=1.0),
                actors={"ocr": replace(OCR, status="RuntimeError", message="its runtime was ended by SIGKILL")},
            ),
            "retry",
            "delivery 2 of 5 at ocr failed: killed; the next one due for 3 s: it waits in the queue; "
            "ocr is RuntimeError: its runtime was ended by SIGKILL",
        ),
        (
            replace(BARE, actors={"ocr": replace(OCR, status="RuntimeError", message="E: torn")}),
            "unknown",
            "ocr is RuntimeError: E: torn; no actor has settled it yet: it waits at ocr, or was never sent",
        ),
        (
            replace(BARE, actors={"a": replace(OCR, name="a", status="RuntimeError", message="E: torn"), "ocr": OCR}),
            "unknown",
            "a is RuntimeError: E: torn; no actor has settled it yet: it waits at a, ocr, or was never sent",
        ),
        (
            replace(BARE, last=StepFacts(0.0, "", "sent", to="ocr"), actors=ACTORS),
            "queue",
            "it waits in the queue of ocr; 12 queued, 3 in hand, 1 of 2 replicas ready",
        ),
        (
            replace(BARE, record=record(), end=("succeeded", ""), last=step("released", cause="502", again_in_s=15.0)),
            "gateway",
            "its end cannot be told to the gateway: 502; again in 11.0 s",
        ),
        (
            replace(BARE, last=step("collected"), group=GroupFacts(2, 3, (1,))),
            "fan_in",
            "fan-in waits for its siblings: 2 of 3 are there; missing: 1",
        ),
        (
            replace(BARE, last=step("collected"), group=GroupFacts(2, None)),
            "fan_in",
            "fan-in waits for its siblings: 2 of nobody knows yet how many are there",
        ),
        (
            replace(BARE, record=record(status="succeeded", parent_id="book"), events=[{"ended": "joined"}]),
            "nothing",
            "fan-in joined it with its siblings into book",
        ),
        (
            replace(BARE, last=step("collected", parents=("book", "shelf"))),
            "nothing",
            "fan-in joined it with its siblings into book",
        ),
        (
            replace(BARE, actors=ACTORS, last=step("success", to="print")),
            "no_actor",
            "its next actor print is not there, only ocr, translate",
        ),
        (
            replace(
                BARE,
                record=record(),
                actors={"ocr": replace(OCR, status="RuntimeError", message="no module x", ready=0)},
            ),
            "actor",
            "ocr is RuntimeError: no module x",
        ),
        (
            replace(BARE, record=record(), actors={"ocr": ActorFacts("ocr", "ImagePullError", "no image ocr:9")}),
            "actor",
            "ocr is ImagePullError: no image ocr:9",
        ),
        (
            replace(BARE, record=record(), actors={"ocr": replace(OCR, status="Degraded", message="one is ill")}),
            "queue",
            "it waits in the queue of ocr; 12 queued, 3 in hand, 1 of 2 replicas ready; ocr is Degraded: one is ill",
        ),
        (
            replace(BARE, record=record(), actors={"ocr": replace(OCR, ready=0)}),
            "scaling",
            "no replica of 2 of ocr is ready yet; 12 queued, 3 in hand, 0 of 2 replicas ready",
        ),
        (
            replace(BARE, record=record(), actors={"ocr": replace(OCR, ready=0, message="its handler loads for 54 s")}),
            "scaling",
            "no replica of 2 of ocr is ready yet; its handler loads for 54 s; 12 queued, 3 in hand, 0 of 2 replicas ready",
        ),
        (
            replace(BARE, record=record(), actors={"ocr": replace(OCR, ready=0, desired=0, queued=1, in_flight=0)}),
            "scaling",
            "no replica of ocr runs and none is wanted yet; 1 queued, 0 in hand, 0 of 0 replicas ready",
        ),
        (
            replace(BARE, record=record(), events=[told("completed", 0)], actors=ACTORS),
            "queue",
            "it waits in the queue of translate; 0 queued, 0 in hand, 1 of 2 replicas ready",
        ),
        (
            replace(BARE, record=record(), events=[told("completed", 1)]),
            "queue",
            "it waits in the queue of happy-end",
        ),
        (
            replace(BARE, record=record(), events=[told("received", 0), told("processing", 0)]),
            "queue",
            "ocr said last that its handler is at work on it",
        ),
        (
            replace(BARE, actors=ACTORS),
            "unknown",
            "nothing is known of it: no actor has settled it yet, or it was never sent; envelopes wait at ocr",
        ),
    ],
)
def test_what_holds_an_envelope(evidence: Evidence, held_by: str, because: str):
    why = explain(evidence)
    assert (why.held_by, why.because) == (held_by, because)


def test_the_whole_answer_in_json_and_on_one_screen():
    evidence = replace(
        BARE, record=record(), actors=ACTORS, last=step("retried", attempt=2, cause="E: torn", again_in_s=10.0)
    )
    why = explain(evidence)
    assert document(evidence, why) == {
        "id": "e1", "status": "running", "held_by": "retry",
        "because": "attempt 2 at ocr failed: E: torn; the next one in 6.0 s",
        "where": "ocr", "route": ROUTE, "progress_percent": 25.0, "attempts": 2, "max_attempts": 3,
        "last_error": "E: torn", "next_retry_at": "1970-01-01T00:16:46Z", "waits_until": None, "queued": 12,
        "replicas_ready": 1, "deadline": None, "trace_id": None, "trace_url": None, "cure": None,
    }  # fmt: skip
    assert list(lines(evidence, why)) == [
        "id         e1",
        "status     running",
        "because    attempt 2 at ocr failed: E: torn; the next one in 6.0 s",
        "where      ocr",
        "route      [ocr] translate",
        "attempts   2 of 3",
        "next try   1970-01-01T00:16:46Z",
    ]


@pytest.mark.parametrize(
    ("trace", "shown"),
    [(("a" * 32, ""), "a" * 32), (("a" * 32, "https://traces.example/a"), "https://traces.example/a")],
)
def test_its_trace_is_named_by_a_link_where_there_is_a_template(trace: tuple[str, str], shown: str):
    evidence = replace(BARE, record=record(), trace=trace)
    why = explain(evidence)
    told_of_it = document(evidence, why)
    assert (told_of_it["trace_id"], told_of_it["trace_url"]) == (trace[0], trace[1] or None)
    assert f"trace      {shown}" in list(lines(evidence, why))


def test_a_retry_is_known_from_the_gateways_events_where_no_log_can_be_read():
    failed = {"attempt": 2, "again_in_s": 10.0, "cause": "E: torn"}
    retry = told("processing", 0) | {"retry": failed, "timestamp": "1970-01-01T00:16:36Z"}
    events = [told("received", 0), told("processing", 0), retry]
    evidence = replace(BARE, record=record(), events=events, last=told_by_gateway(events))
    assert explain(evidence).because == "attempt 2 at ocr failed: E: torn; the next one in 6.0 s"
    assert (evidence.where, evidence.attempts, evidence.error, evidence.next_try_s) == ("ocr", 2, "E: torn", NOW + 6)
    # Once the next attempt has begun it is no longer waited for; the error is still the last one.
    events.append(told("received", 0))
    assert told_by_gateway(events) is None
    assert replace(BARE, record=record(), events=events).error == "E: torn"
    assert told_by_gateway([]) is None


def test_attempts_are_counted_from_the_gateways_events_where_no_log_can_be_read():
    events = [told("received", 0), told("processing", 0), told("received", 0), told("processing", 0)]
    assert replace(BARE, record=record(), events=events).attempts == 2


def test_an_actor_in_trouble_with_a_queue_may_be_why_nothing_is_known():
    broken = replace(OCR, status="RuntimeError", message="No module named 'x'", queued=1)
    why = explain(replace(BARE, actors={**ACTORS, "ocr": broken}))
    assert (why.held_by, why.cure) == ("unknown", "asya local logs ocr, or kubectl describe asya ocr")
    for place, cure in (("mesh", "asya local logs ocr"), ("kubernetes", "kubectl describe asya ocr")):
        assert explain(replace(BARE, actors={**ACTORS, "ocr": broken}, place=place)).cure == cure
    assert why.because.startswith("ocr is RuntimeError: No module named 'x'; no actor has settled it yet")


def test_a_child_of_which_nothing_was_reported_is_at_its_own_place():
    child = record() | {"id": "e1-1", "route": {"actors": ROUTE, "current": 1}}
    assert replace(BARE, record=child).where == "translate"
