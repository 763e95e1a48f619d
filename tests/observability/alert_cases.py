"""When each alert fires and when it must not: series as promtool's tests write them, and the moment to look."""

from dataclasses import dataclass
from typing import Final

Series = dict[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """Two stories of one alert.

    Attributes:
        at: When to look.
        fires: Series of the first, in which it fires.
        silent: Series of the second, in which it does not.
        labels: Of the alert that fires.
    """

    at: str
    fires: Series
    silent: Series
    labels: dict[str, str]


OCR: Final = {"queue": "ocr"}
TEAM: Final = {"queue": "ocr", "actor_namespace": "team"}


def depth(values: str) -> Series:
    return {'asya_operator_queue_envelopes{queue="ocr",actor_namespace="team",state="ready"}': values}


def one(name: str, values: str, **labels: str) -> Series:
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {f"asya_{name}{{{inside}}}": values}


BUSY: Final = one("actor_handler_busy_seconds_total", "0+30x120", queue="ocr")
CALLS: Final = {
    **one("actor_runtime_execution_duration_seconds_sum", "0+60x120", queue="ocr"),
    **one("actor_runtime_execution_duration_seconds_count", "0+6x120", queue="ocr"),
    **one("actor_handler_slots", "1x120", queue="ocr"),
}
SETTLED: Final = one("actor_processing_duration_seconds_count", "0+100x120", queue="ocr")
DONE: Final = "actor_messages_failed_total"


def condition(name: str, value: int) -> Series:
    return one("operator_actor_condition", f"{value}x120", queue="ocr", actor_namespace="team", condition=name)


def replicas(desired: int, most: int) -> Series:
    return {
        **one("operator_actor_replicas", f"{desired}x120", queue="ocr", actor_namespace="team", kind="desired"),
        **one("operator_actor_replicas", f"{most}x120", queue="ocr", actor_namespace="team", kind="max"),
    }


def lag(le: str) -> Series:
    return {
        **{f'asya_gateway_report_lag_seconds_bucket{{le="{each}"}}': "0+0x120" for each in ("10", "30") if each != le},
        f'asya_gateway_report_lag_seconds_bucket{{le="{le}"}}': "0+5x120",
        'asya_gateway_report_lag_seconds_bucket{le="+Inf"}': "0+5x120",
    }


CASES: Final = {
    "AsyaStalledConsumer": Case(
        "40m",
        {**depth("5x120"), **one("actor_handler_busy_seconds_total", "9x120", queue="ocr")},
        {**depth("5x120"), **BUSY},
        OCR,
    ),
    "AsyaBacklogGrows": Case("60m", {**depth("0+10x120"), **CALLS}, {**depth("1000-5x120"), **CALLS}, OCR),
    "AsyaOldEnvelopes": Case(
        "40m",
        {**depth("5x120"), **one("actor_oldest_received_age_seconds", "4000x120", queue="ocr")},
        {**depth("0x120"), **one("actor_oldest_received_age_seconds", "4000x120", queue="ocr")},
        OCR,
    ),
    "AsyaDeadLetters": Case(
        "10m", one("operator_dead_letters", "1x120", **TEAM), one("operator_dead_letters", "0x120", **TEAM), TEAM
    ),
    "AsyaErrorRatio": Case(
        "90m",
        {**SETTLED, **one(DONE, "0+10x120", queue="ocr", reason="runtime_error")},
        {**SETTLED, **one(DONE, "0x84 0+20x36", queue="ocr", reason="runtime_error")},
        OCR,
    ),
    "AsyaCrashLoop": Case(
        "20m",
        one("operator_actor_status", "1x120", **TEAM, status="RuntimeError"),
        one("operator_actor_status", "1x120", **TEAM, status="Running"),
        {**TEAM, "status": "RuntimeError"},
    ),
    "AsyaScaledAtMaximum": Case("40m", {**depth("5x120"), **replicas(7, 7)}, {**depth("5x120"), **replicas(6, 7)}, OCR),
    "AsyaScalerNotReady": Case("20m", condition("ScalingReady", 0), condition("ScalingReady", 1), TEAM),
    "AsyaKedaFallback": Case("20m", condition("Fallback", 1), condition("Fallback", 0), TEAM),
    "AsyaLeasesLost": Case(
        "20m",
        one("actor_leases_lost_total", "0x10 1x110", queue="ocr"),
        one("actor_leases_lost_total", "3x120", queue="ocr"),
        OCR,
    ),
    "AsyaReportLag": Case("40m", lag("300"), lag("10"), {}),
    "AsyaGatewayStoreErrors": Case(
        "20m",
        one("gateway_store_errors_total", "0+1x120", operation="report"),
        one("gateway_store_errors_total", "4x120", operation="report"),
        {"operation": "report"},
    ),
    "AsyaQueuesNotCounted": Case(
        "40m",
        one("operator_broker_away", "1x120", transport="sqs"),
        one("operator_broker_away", "1x35 0 1x84", transport="sqs"),
        {"transport": "sqs"},
    ),
    "AsyaBrokerAlarm": Case(
        "10m",
        one("operator_broker_alarm", "1x120", transport="rabbitmq", alarm="memory"),
        one("operator_broker_alarm", "0x120", transport="rabbitmq", alarm="memory"),
        {"transport": "rabbitmq", "alarm": "memory"},
    ),
    "AsyaSupportEnded": Case(
        "90m",
        one("operator_part_support_ends_timestamp_seconds", "600x120", part="RabbitMQ", version="4.2"),
        one("operator_part_support_ends_timestamp_seconds", "86400x120", part="RabbitMQ", version="4.3"),
        {"part": "RabbitMQ", "version": "4.2"},
    ),
    "AsyaKnownHole": Case(
        "20m",
        one("operator_part_known_hole", "1x120", part="KEDA", version="2.20.1", hole="CVE-2026-77524"),
        one("operator_part_version", "1x120", part="KEDA", version="2.21.0"),
        {"part": "KEDA", "version": "2.20.1", "hole": "CVE-2026-77524"},
    ),
    "AsyaCertificateEnds": Case(
        "90m",
        one("gateway_certificate_ends_timestamp_seconds", "1200000x120", subject="CN=gateway"),
        one("gateway_certificate_ends_timestamp_seconds", "1300000x120", subject="CN=gateway"),
        {"subject": "CN=gateway"},
    ),
    "AsyaTokenEnds": Case(
        "90m",
        one("actor_gateway_token_ends_timestamp_seconds", "200000x120", queue="ocr"),
        one("actor_gateway_token_ends_timestamp_seconds", "300000x120", queue="ocr"),
        OCR,
    ),
    "AsyaOperatorAway": Case(
        "20m", one("operator_leader", "0x120", pod="a"), one("operator_leader", "1x120", pod="a"), {}
    ),
}
