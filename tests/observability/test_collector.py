"""The collector that `asya:collector` installs, run by a real one: spans go through, with credentials it alone holds."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml

from asya_infra import collector as installed
from asya_process.spans import Span
from asya_process.trace_settings import read_trace_settings
from asya_process.tracer import open_tracer
from asya_protocol.trace import TraceContext
from lab.installs import collector
from lab.servers.otlp import OtlpReceiver, wait_for_spans
from lab.servers.ports import free_ports
from lab.waits import wait_until

LIMIT_S = 60.0
SECRET = "Basic pa$$word${env:HOME}"


def on_ports(text: str, http: int, grpc: int, metrics: int) -> dict[str, Any]:
    """The installed configuration with other ports: this machine is no pod."""
    made: dict[str, Any] = yaml.safe_load(text)
    protocols = made["receivers"]["otlp"]["protocols"]
    protocols["http"]["endpoint"], protocols["grpc"]["endpoint"] = f"127.0.0.1:{http}", f"127.0.0.1:{grpc}"
    (reader,) = made["service"]["telemetry"]["metrics"]["readers"]
    reader["pull"]["exporter"]["prometheus"] |= {"host": "127.0.0.1", "port": metrics}
    return made


@contextmanager
def running(config: dict[str, Any], metrics_url: str, folder: Path) -> Iterator[None]:
    file, log = folder / "config.yaml", folder / "log"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    with log.open("wb") as output:
        process = subprocess.Popen([collector.collector(), f"--config={file}"], stdout=output, stderr=output)
    try:
        wait_until(lambda: answers(metrics_url), LIMIT_S, "the collector answers", lambda: log.read_text()[-2000:])
        yield
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


def test_spans_go_through_with_credentials_that_only_the_collector_holds(tmp_path: Path) -> None:
    http, grpc, metrics = free_ports(3)
    pages = f"http://127.0.0.1:{metrics}/metrics"
    with OtlpReceiver() as kept:
        text = installed.config(kept.http_url, {"Authorization": SECRET})
        with running(on_ports(text, http, grpc, metrics), pages, tmp_path):
            for protocol, port in (("http/protobuf", http), ("grpc", grpc)):
                told = {
                    "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
                    "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                    "OTEL_BSP_SCHEDULE_DELAY": "50",
                }
                lost: list[int] = []
                tracer = open_tracer(read_trace_settings(told), "ocr", lost.append)
                assert tracer is not None
                tracer.emit([Span("send", TraceContext("a" * 32, f"{port:016x}"), "f" * 16, 1.0, 2.0)])
                tracer.close()
                assert lost == []
            came = wait_for_spans(kept, 2, LIMIT_S)
        assert {span.span_id for span in came} == {f"{port:016x}" for port in (http, grpc)}
        assert kept.credentials == {SECRET}


def test_the_image_and_the_one_that_tests_run_are_of_one_version() -> None:
    assert installed.IMAGE.endswith(f":{collector.VERSION}")
