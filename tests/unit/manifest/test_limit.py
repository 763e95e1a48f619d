"""The Limit, and an actor's limits: what is refused, and what a sidecar is told."""

from pathlib import Path
from typing import Any

import pytest

from asya_manifest.actor import parse_actor
from asya_manifest.environment import build_sidecar_env
from asya_manifest.errors import InvalidActor, InvalidLimit, ManifestError
from asya_manifest.files import read_manifests
from asya_manifest.limit import LimitSpec, parse_limit
from asya_store.limits.rule import Rule, read_rules

LIMIT = """
apiVersion: asya.sh/v1alpha1
kind: Limit
metadata: {name: openai, labels: {team: a}}
spec: {requestsPerMinute: 60, tokensPerMinute: 9000, key: headers.tenant, whenStoreAway: open}
"""


def actor(limits: object) -> dict[str, Any]:
    return {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": "ask"},
        "spec": {"transport": "sqs", "image": "a:1", "handler": "a.b", "limits": limits},
    }


def limit(**spec: object) -> dict[str, Any]:
    return {"apiVersion": "asya.sh/v1alpha1", "kind": "Limit", "metadata": {"name": "openai"}, "spec": spec}


def told(limits: object, known: dict[str, LimitSpec]) -> tuple[Rule, ...]:
    entries = build_sidecar_env(parse_actor(actor(limits)), transport="sqs", limits=known)
    (text,) = [entry.value for entry in entries if entry.name == "ASYA_LIMITS"]
    return read_rules(text or "")


def test_a_sidecar_is_told_its_limits_with_their_figures(tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text(LIMIT)
    known = dict(read_manifests([tmp_path]).limits)
    uses = [{"name": "openai", "cost": "payload.max", "spent": "payload.usage.total_tokens"}]
    assert told(uses, known) == (
        Rule(
            name="openai", requests_per_minute=60, tokens_per_minute=9000, key="headers.tenant",
            cost="payload.max", spent="payload.usage.total_tokens", when_away="open",
        ),
    )  # fmt: skip


@pytest.mark.parametrize(("cost", "read"), [(500, 500.0), ("500", 500.0), ("2.5", 2.5)])
def test_a_cost_may_be_a_number(cost: object, read: float) -> None:
    known = {"openai": parse_limit(limit(tokensPerMinute=1000)).spec}
    assert told([{"name": "openai", "cost": cost}], known)[0].cost == read


def test_an_actor_without_limits_is_told_none() -> None:
    entries = build_sidecar_env(parse_actor(actor([])), transport="sqs")
    assert "ASYA_LIMITS" not in {entry.name for entry in entries}


@pytest.mark.parametrize(
    ("uses", "problem"),
    [
        ([{"name": "opnai"}], r"spec\.limits\[0\]\.name: there is no Limit 'opnai'; there are openai"),
        ([{"name": "openai"}], r"spec\.limits\[0\]: Limit 'openai' counts tokens; say in cost or spent"),
    ],
)
def test_what_an_actor_asks_of_its_limits_must_be_there(uses: object, problem: str) -> None:
    with pytest.raises(InvalidActor, match=problem):
        told(uses, {"openai": parse_limit(limit(tokensPerMinute=10)).spec})


@pytest.mark.parametrize(
    ("uses", "problem"),
    [
        ([{"name": "a", "cost": "maxTokens"}], r"limits\[0\]\.cost: 'maxTokens' is no path"),
        ([{"name": "a", "spent": "7"}], r"limits\[0\]\.spent: '7' is no path"),
        ([{"name": "a"}, {"name": "a"}], r"spec\.limits\[1\]\.name: 'a' is named before"),
        ([{"name": "a", "costs": "payload.x"}], "did you mean 'cost'"),
    ],
)
def test_an_actor_that_names_limits_wrongly_is_refused(uses: object, problem: str) -> None:
    with pytest.raises(InvalidActor, match=problem):
        parse_actor(actor(uses))


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({}, "limits nothing; set requestsPerMinute, tokensPerMinute or concurrency"),
        ({"requestsPerMinute": 0}, "requestsPerMinute: input should be greater than or equal to 1"),
        ({"concurrency": 1, "key": "tenant"}, "key: 'tenant' is no path"),
        ({"concurrency": 1, "whenStoreAway": "ajar"}, "whenStoreAway"),
        ({"concurency": 1}, "did you mean 'concurrency'"),
    ],
)
def test_a_limit_that_breaks_a_rule_is_refused(spec: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidLimit, match=problem):
        parse_limit(limit(**spec))


def test_a_file_names_the_place_of_a_limit_that_is_wrong_or_there_twice(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(f"{LIMIT}---{LIMIT}")
    with pytest.raises(ManifestError, match=r"limits\.yaml \(document 2\): Limit 'openai' is defined twice"):
        read_manifests([file])
    file.write_text(LIMIT.replace("60", "none"))
    with pytest.raises(ManifestError, match=r"document 1\): Limit 'openai': spec\.requestsPerMinute"):
        read_manifests([file])
