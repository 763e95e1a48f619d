"""Handlers' own metrics: what is declared, what a line may say, and that no line can do harm."""

import asyncio
import json
import logging
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from asya_protocol.errors import SettingsError
from asya_sidecar.core.custom_metric import clean_name, read_declarations
from asya_sidecar.custom_metrics import MOST_METRICS, MOST_SERIES, MOST_TOLD, CustomMetrics
from asya_sidecar.metrics import Metrics
from asya_sidecar.settings import read_settings

DECLARED = json.dumps(
    [
        {"name": "pages read", "type": "counter", "help": "Pages.", "labels": ["kind"]},
        {"name": "9lives", "type": "gauge"},
        {"name": "model_seconds", "type": "histogram", "buckets": [1, 60, 3600]},
        {"name": "odd", "type": "summary"},
    ]
)


def shown(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("asya_actor", "ocr", "memory")


def test_declarations_are_those_of_asya_0_1_1(metrics: Metrics) -> None:
    custom = CustomMetrics(metrics, read_declarations(DECLARED))
    assert (clean_name("pages read"), clean_name("9lives")) == ("pages_read", "_9lives")
    custom.take(b'{"name": "pages_read", "value": 2, "labels": {"kind": "pdf"}}')
    custom.take(b'{"name": "model_seconds", "value": 59}')
    text = shown(metrics)
    assert 'pages_read_total{kind="pdf"} 2.0' in text
    assert 'model_seconds_bucket{le="60.0"} 1.0' in text
    assert "_9lives 0.0" in text
    assert "odd" not in text, "another type is passed over, as in Asya 0.1.1"


@pytest.mark.parametrize(
    "text", ["{", "{}", '[{"type": "gauge"}]', '[{"name": "a", "type": "gauge", "labels": ["le"]}]']
)
def test_declarations_that_cannot_be_read_end_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="ASYA_CUSTOM_METRICS"):
        read_settings({"ASYA_ACTOR_NAME": "ocr", "ASYA_TRANSPORT": "memory", "ASYA_CUSTOM_METRICS": text})


def test_a_line_needs_no_declaration(metrics: Metrics) -> None:
    custom = CustomMetrics(metrics)
    custom.take(b'{"name": "tokens_total", "value": 3, "labels": {"model": "m", "cached": true}, "help": "Tokens."}')
    custom.take(b'{"name": "tokens_total", "value": 4, "labels": {"cached": true, "model": "m"}}')
    custom.take(b'{"name": "loss", "value": 0.5}')
    text = shown(metrics)
    assert 'tokens_total{cached="true",model="m"} 7.0' in text
    assert "loss 0.5" in text


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"name": "bad name", "value": 1}', "name"),
        (b'{"name": "asya_actor_active_messages", "value": 1}', "name"),
        (b'{"name": "asya_actor_handler_slots", "value": 1}', "name"),
        (b'{"name": "asya_actor_envelope_size_bytes_sum", "value": 1}', "name"),
        (b'{"name": "a", "value": NaN}', "line"),
        (b'{"name": "a", "value": 1e999}', "line"),
        (b'{"name": "a_total", "value": -1}', "value"),
        (b'{"name": "a", "value": "1"}', "line"),
        (b'{"name": "a", "value": 1, "labels": {"__name__": "x"}}', "labels"),
        (b'{"name": "a", "value": 1, "labels": {"x": "%s"}}' % (b"y" * 200), "labels"),
        (b"\xff\n", "line"),
        (b"[" * 5000, "line"),
    ],
)
def test_what_cannot_be_taken_is_told_once_and_counted(
    metrics: Metrics, caplog: pytest.LogCaptureFixture, line: bytes, reason: str
) -> None:
    custom = CustomMetrics(metrics)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            custom.take(line)
    assert f'custom_metrics_refused_total{{queue="ocr",reason="{reason}"}} 3.0' in shown(metrics)
    assert [record.message for record in caplog.records] == ["handler's metric not taken"]


def test_a_million_labels_are_two_hundred_series_and_one_line_of_log(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    custom = CustomMetrics(metrics)
    for number in range(5000):
        custom.take(b'{"name": "seen_total", "value": 1, "labels": {"id": "%d"}}' % number)
    custom.take(b'{"name": "seen_total", "value": 1, "labels": {"id": "7"}}')
    text = shown(metrics)
    assert text.count("\nseen_total{") == MOST_SERIES
    assert 'seen_total{id="7"} 2.0' in text, "what is known goes on"
    assert len(caplog.records) == 1


def test_names_without_end_are_bounded_too(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    custom = CustomMetrics(metrics)
    for number in range(2000):
        custom.take(b'{"name": "m%d", "value": 1}' % number)
        custom.take(b'{"name": "m %d", "value": 1}' % number)
    assert shown(metrics).count("# TYPE m") == MOST_METRICS
    assert len(caplog.records) <= MOST_TOLD


async def test_any_process_of_the_pod_may_write_lines(metrics: Metrics, tmp_path: Path) -> None:
    custom = CustomMetrics(metrics)
    await custom.listen(tmp_path)
    _, writer = await asyncio.open_unix_connection(str(tmp_path / "asya-metrics.sock"))
    writer.write(b'{"name": "a_total", "value": 1}\n' * 3 + b"x" * 100_000 + b"\n")
    await writer.drain()
    _, another = await asyncio.open_unix_connection(str(tmp_path / "asya-metrics.sock"))
    another.write(b'{"name": "a_total", "value": 1}\n{"name": "a_total", "va')
    another.close()
    await another.wait_closed()
    async with asyncio.timeout(60):
        while "a_total 4.0" not in shown(metrics) or 'reason="line"' not in shown(metrics):
            await asyncio.sleep(0)
    assert 'reason="line"} 1.0' in shown(metrics), "a line that was cut off is no line"
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    await custom.close()
    assert not (tmp_path / "asya-metrics.sock").exists()
