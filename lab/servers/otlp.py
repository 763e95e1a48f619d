"""A collector in this process: takes OTLP over HTTP and gRPC, keeps the spans, and can refuse, stall or take only a part.

Source: https://opentelemetry.io/docs/specs/otlp/
"""

import gzip
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

Behaviour = Literal["takes", "refuses", "fails", "stalls", "takes_a_part"]
_STATUS: Final = {"refuses": 400, "fails": 500}
STALL_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it arrived; ids are hex digits, an empty parent is none."""

    service: str
    schema: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    start_s: float
    end_s: float
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]
    failed: bool


class OtlpReceiver:
    """Listens on free ports of this machine until it is closed.

    Args:
        behaviour: What it does with what comes; may be changed at any time.
    """

    def __init__(self, behaviour: Behaviour = "takes") -> None:
        self.behaviour: Behaviour = behaviour
        self.requests = 0
        self.credentials: set[str] = set()
        """Values of the header Authorization that came over HTTP."""
        self._spans: list[ReceivedSpan] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self._grpc = grpc.server(ThreadPoolExecutor(4))
        add_TraceServiceServicer_to_server(_Servicer(self), self._grpc)  # type: ignore[no-untyped-call]  # generated
        self._grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        self._grpc.start()

    def __enter__(self) -> "OtlpReceiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def http_url(self) -> str:
        """For ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def grpc_url(self) -> str:
        """The same, with ``OTEL_EXPORTER_OTLP_PROTOCOL=grpc``."""
        return f"http://127.0.0.1:{self._grpc_port}"

    @property
    def spans(self) -> list[ReceivedSpan]:
        """What has come, in order."""
        with self._lock:
            return list(self._spans)

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(0.1)

    def take(self, request: ExportTraceServiceRequest) -> ExportTraceServiceResponse:
        """Do with a request what it is to do; ``stalls`` answers long after."""
        with self._lock:
            self.requests += 1
        if self.behaviour == "stalls":
            self._closed.wait(STALL_S)
        found = [
            _received(resource.resource, scope.schema_url or scope.scope.name, span)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        response = ExportTraceServiceResponse()
        if self.behaviour == "takes_a_part":
            response.partial_success.rejected_spans = len(found) - len(found) // 2
            found = found[: len(found) // 2]
        if self.behaviour in ("takes", "takes_a_part"):
            with self._lock:
                self._spans += found
        return response


class _Servicer(TraceServiceServicer):
    def __init__(self, receiver: OtlpReceiver) -> None:
        self._receiver = receiver

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:  # noqa: N802
        if self._receiver.behaviour in _STATUS:
            self._receiver.take(request)
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "told to refuse")
        return self._receiver.take(request)


def _handler(receiver: OtlpReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.credentials.add(self.headers.get("Authorization", ""))
            answer = receiver.take(ExportTraceServiceRequest.FromString(body)).SerializeToString()
            status = _STATUS.get(receiver.behaviour, 200)
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer) if status == 200 else 0))
            self.end_headers()
            if status == 200:
                self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    return Handler


def _received(resource: Any, schema: str, span: Any) -> ReceivedSpan:
    about = {entry.key: entry.value.string_value for entry in resource.attributes}
    return ReceivedSpan(
        service=about.get("service.name", ""),
        schema=schema,
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=span.kind,
        start_s=span.start_time_unix_nano / 1e9,
        end_s=span.end_time_unix_nano / 1e9,
        attributes={entry.key: _value(entry.value) for entry in span.attributes},
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        failed=span.status.code == 2,
    )


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


def wait_for_spans(receiver: OtlpReceiver, count: int, at_most_s: float = 30.0) -> list[ReceivedSpan]:
    """Wait until so many spans have come.

    Raises:
        TimeoutError: They have not.
    """
    deadline_s = time.monotonic() + at_most_s
    while len(found := receiver.spans) < count:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{len(found)} of {count} spans came within {at_most_s:g}s")
        time.sleep(0.02)
    return found
