"""What the sidecar shows: the table, 0.1.1's names, and what deliveries tell."""

import time

from prometheus_client import generate_latest

from asya_process.metric import CALL_BUCKETS_S
from asya_sidecar.metric_table import TABLE
from asya_sidecar.metrics import Metrics
from asya_transport.port import Delivery

OF_0_1_1 = {
    "messages_received_total": ("queue", "transport"),
    "messages_processed_total": ("queue", "status"),
    "messages_sent_total": ("destination_queue", "message_type"),
    "messages_failed_total": ("queue", "reason"),
    "processing_duration_seconds": ("queue",),
    "runtime_execution_duration_seconds": ("queue",),
    "queue_receive_duration_seconds": ("queue", "transport"),
    "queue_send_duration_seconds": ("destination_queue", "transport"),
    "envelope_size_bytes": ("direction",),
    "active_messages": (),
    "runtime_errors_total": ("queue", "error_type"),
}


def test_what_asya_0_1_1_shows_keeps_its_names_labels_and_buckets() -> None:
    table = {each.name: each for each in TABLE}
    assert {name: table[name].labels for name in OF_0_1_1} == OF_0_1_1
    old = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
    assert CALL_BUCKETS_S[: len(old)] == old
    assert max(CALL_BUCKETS_S) == 3600
    for name in ("processing_duration_seconds", "runtime_execution_duration_seconds"):
        assert table[name].buckets == CALL_BUCKETS_S


def test_every_metric_of_the_table_is_shown_and_no_other() -> None:
    metrics = Metrics("asya_actor", "ocr", "sqs")
    metrics.watch_busy(lambda: 1.5)
    metrics.watch_requests({"SendMessage": 2})
    shown = {family.name for family in metrics.registry.collect()}
    assert shown == {f"asya_actor_{each.name}".removesuffix("_total") for each in TABLE}
    text = generate_latest(metrics.registry).decode()
    assert 'asya_actor_broker_requests_total{call="SendMessage",queue="ocr"} 2.0' in text
    assert 'asya_actor_handler_busy_seconds_total{queue="ocr"} 1.5' in text


def test_deliveries_tell_waits_redeliveries_and_the_oldest_age() -> None:
    metrics, now_s = Metrics("asya_actor", "ocr", "sqs"), time.time()
    assert 'cold_start_seconds{queue="ocr"}' not in generate_latest(metrics.registry).decode()
    metrics.received(
        [Delivery(b"{}", 1, sent_s=now_s - 4000), Delivery(b"{}", 2, 3, sent_s=now_s + 60), Delivery(b"{}", 3)]
    )
    text = generate_latest(metrics.registry).decode()
    for line in (
        'asya_actor_redeliveries_total{queue="ocr"} 1.0',
        'asya_actor_queue_wait_seconds_count{queue="ocr"} 2.0',
        'asya_actor_queue_wait_seconds_bucket{le="3600.0",queue="ocr"} 1.0',
        'asya_actor_oldest_received_age_seconds{queue="ocr"} 4',
        'asya_actor_cold_start_seconds{queue="ocr"} ',
    ):
        assert line in text
