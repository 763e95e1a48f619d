"""Tokens and cost of calls of models, from a handler's metrics to its span."""

import json

import pytest

from asya_process import spans
from asya_sidecar.core.custom_metric import read_line
from asya_sidecar.core.model_usage import MOST, ModelUsage

pytestmark = pytest.mark.unit


def say(usage: ModelUsage, name: str, value: float, envelope_id: str = "e1", **labels: str) -> None:
    line = {"name": name, "value": value, "labels": labels, "envelope_id": envelope_id}
    usage.note(read_line(json.dumps(line).encode()))


def test_calls_of_one_envelope_are_added_up() -> None:
    usage = ModelUsage()
    say(usage, "llm_input_tokens_total", 100, model="small")
    say(usage, "llm_input_tokens_total", 20, model="large")
    say(usage, "llm_output_tokens_total", 7)
    say(usage, "llm_cost_usd_total", 0.1)
    say(usage, "llm_cost_usd_total", 0.2)
    say(usage, "pages_total", 3)
    assert usage.take("e1") == {
        spans.INPUT_TOKENS: 120,
        spans.OUTPUT_TOKENS: 7,
        spans.COST_USD: 0.3,
        spans.MODEL: "large",
    }
    assert usage.take("e1") == {}


def test_what_names_no_envelope_is_a_metric_only() -> None:
    usage = ModelUsage()
    say(usage, "llm_input_tokens_total", 100, envelope_id="")
    assert usage.take("") == {}


def test_there_is_a_bound() -> None:
    usage = ModelUsage()
    for number in range(MOST + 1):
        say(usage, "llm_input_tokens_total", 1, envelope_id=f"e{number}")
    assert usage.take("e0") == {}
    assert usage.take(f"e{MOST}") == {spans.INPUT_TOKENS: 1}
