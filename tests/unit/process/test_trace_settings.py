"""When traces are on, and where spans go then."""

import subprocess
import sys

import pytest

from asya_process.trace_settings import read_trace_settings
from asya_protocol.errors import SettingsError

HERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        ({}, False),
        (HERE, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({**HERE, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**HERE, "OTEL_SDK_DISABLED": "true"}, False),
        ({**HERE, "OTEL_TRACES_SAMPLER": "always_off"}, False),
        ({**HERE, "OTEL_TRACES_SAMPLER": "parentbased_always_off"}, True),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, False),
    ],
)
def test_traces_are_on_where_an_endpoint_is_named_and_nothing_says_no(environ: dict[str, str], on: bool) -> None:
    assert read_trace_settings(environ).on is on


@pytest.mark.parametrize(
    ("environ", "target"),
    [
        (HERE, "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({**HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http://c:4318"),
        ({**HERE, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://d/x"}, "http://d/x"),
    ],
)
def test_the_path_of_traces_is_added_to_a_base_over_http_alone(environ: dict[str, str], target: str) -> None:
    assert read_trace_settings(environ).target == target


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("ASYA_TRACE_URL", "javascript:alert(1)"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        read_trace_settings({variable: value})


def test_nothing_of_opentelemetry_is_imported_while_traces_are_off() -> None:
    """Every process that could trace: its modules alone bring in nothing."""
    code = (
        "import sys, asya_sidecar.main, asya_gateway.main, asya_operator.main\n"
        "from asya_process.trace_settings import read_trace_settings\n"
        "from asya_process.tracer import open_tracer\n"
        "assert open_tracer(read_trace_settings({}), 'x', print) is None\n"
        "sys.exit(any(name.split('.')[0] in ('opentelemetry', 'grpc', 'requests') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
