#!/usr/bin/env python3
"""Asya's runtime: serves one user's handler to the sidecar over a Unix socket.

One file, standard library only, Python 3.7 to 3.13, because it is injected alone into images that belong to users. It repeats
the framing and the envelope rules of ``asya_protocol``; both are held to the same golden vectors. The wire is docs/protocol.md.

Promises:

* Every request gets a reply, whatever the handler returns or raises; only the death of the process closes a connection
  without one.
* Handler calls run one at a time in the main thread (model libraries, signals and event loops expect it), or, when
  ASYA_CONCURRENCY asks for more, so many at once in threads; coroutines then share one event loop. Each connection is read by
  a thread of its own, so that an idle client blocks nobody and a hello is answered while a handler runs.
* A handler past its timeout is answered for with ``timeout_error``, then the process ends with code 124: a handler stuck in
  foreign code cannot be stopped otherwise, and whoever supervises the process starts it again. Other calls that run then are
  answered with ``interrupted``: nothing is said about their envelopes.
* A handler whose envelope is cancelled gets the exception EnvelopeCancelled (a coroutine: CancelledError) and a moment to
  clean up; after that the process ends as above.
* With ASYA_BATCH_SIZE the handler gets a list of payloads and returns a list of as many results; an exception object in a
  result's place fails that one only.
* ``yield "FLY", piece`` (with ASYA_STREAM: every ``yield``) hands a piece to a sidecar that takes pieces. It never makes the
  handler wait: where the sidecar does not read, the oldest pieces are lost, and the numbers of the others say how many.
* SIGTERM and SIGINT: socket and ready file go at once, requests that were already sent are answered, exit code 0.
  A second signal drops those that have not started.
* Payloads and results are never logged.
"""

from __future__ import annotations

import _socket as socket  # the interpreter's own: lean, and no library of the user replaces it
import faulthandler
import importlib
import io
import json
import logging
import math
import os
import re
import select
import signal
import stat
import sys
import threading
import time
import traceback
import types
from _contextvars import ContextVar
from _queue import Empty, SimpleQueue  # of queue, without what else is there

TYPE_CHECKING = False  # typing itself is not imported: it would cost memory in every user's process
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, NoReturn

PROTOCOL = 2
MAX_FRAME_BYTES = 512 * 1024 * 1024  # RabbitMQ's ceiling for one message: a longer length is a lost byte, not a payload
EXIT_TIMEOUT = 124
READY_NAME = "runtime-ready"
END_NAME = "runtime-end"
TERMINATION_LOG = "/dev/termination-log"  # what is written there, Kubernetes has in the container's state
MODES = ("payload", "envelope")
MAX_CONCURRENCY = 1000
MAX_BATCH = 10000

STREAM_ITEMS = 20  # a generator's items leave in frames of at most so many ...
STREAM_LINGER_S = 0.05  # ... and at the latest so long after they were made

PIECE_BYTES = 65536  # the largest piece of a stream; a frame of them is as large, which a socket takes without waiting
PIECES_HELD = 1000  # so many wait for a sidecar that does not read
PIECES_LINGER_S = 0.002  # for each call that is under way, STREAM_LINGER_S at most: many streams share few wake-ups

MAX_DETAIL_CHARS = 32768  # an error must fit, with the original payload, into an envelope of 256 KiB

# A handler that never releases the interpreter's lock (a runaway regular expression) also stops the watchdog thread. A C timer
# behind it ends the process so much later, and is moved on only when it is so much off, because arming it starts a thread.
HARD_STOP_GRACE_S = 2.0
HARD_STOP_SLACK_S = 5.0
LONGEST_TIMEOUT_S = 1e8  # three years; beyond it the C timers overflow

CANCEL_GRACE_S = 0.5  # for a cancelled handler's clean-up, before the process is ended

CLOSE_S = 0.2  # for tasks that a handler left behind, to end once they are cancelled

METRIC_S = 0.1  # a handler's own metric may hold the handler up for so long
PING_S = 10.0  # within it a runtime answers itself, or its handler's module has broken it
TELL_LOADING_S = 30.0  # where loading takes longer, the log says where it stands

# A signal that comes in the instant before the main thread blocks would only be seen when it wakes again.
SIGNAL_POLL_S = 0.5
VERBS = {"FLY": 2, "GET": 2, "SET": 3, "DEL": 2}
"""What handlers of Asya from 0.5.4 on yield to stream and to steer their envelope, and how many values each is."""

logger = logging.getLogger("asya.runtime")
_NO_CALL = dict.fromkeys(["asya_" + name for name in ("envelope_id", "actor", "hop", "attempt", "trace_id")], "")
_CALL = ContextVar("asya_call", default=_NO_CALL)  # what a handler is at work on: attributes of its log records


class StartupError(Exception):
    """The runtime cannot start; the text is one line for a person and names the variable to change."""


class FrameError(Exception):
    """A frame is cut short, too long, or says what the protocol does not know."""


class EnvelopeCancelled(BaseException):
    """Raised inside a handler whose envelope was cancelled; no Exception, so that a handler's own retries do not swallow it."""


class ClientGone(Exception):
    """The client closed its connection; its answer has no reader."""


class Settings:
    """The runtime's settings, all of them from the environment; an empty value equals unset unless it says otherwise."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.handler = environ.get("ASYA_HANDLER", "")
        self.mode = (environ.get("ASYA_HANDLER_MODE") or "payload").lower()
        self.validate = _read_switch(environ, "ASYA_ENABLE_VALIDATION")
        self.chunk_bytes = _read_count(environ, "ASYA_CHUNK_SIZE", MAX_FRAME_BYTES, "number of bytes") or 65536
        self.socket_dir = os.path.abspath(environ.get("ASYA_SOCKET_DIR") or "/var/run/asya")
        self.socket_path = os.path.join(self.socket_dir, environ.get("ASYA_SOCKET_NAME") or "asya-runtime.sock")
        self.ready_path = os.path.join(self.socket_dir, READY_NAME)
        self.concurrency = _read_count(environ, "ASYA_CONCURRENCY", MAX_CONCURRENCY) or 1
        self.batch = _read_count(environ, "ASYA_BATCH_SIZE", MAX_BATCH)  # None: the handler takes one payload
        compat = environ.get("ASYA_COMPAT") or ""
        self.fans_out = compat != "asya-1"  # there a returned list is one payload
        self.stream = _read_switch(environ, "ASYA_STREAM", "false")  # what a generator yields are pieces
        self.socket_chmod = _read_chmod(environ)  # None (variable set and empty) leaves the permissions alone
        if compat not in ("", "asya-1"):
            raise StartupError("ASYA_COMPAT=%r is not asya-1" % compat)
        if self.mode not in MODES:
            raise StartupError("Invalid ASYA_HANDLER_MODE=%s: not in %r" % (self.mode, MODES))
        if not self.handler:
            raise StartupError("ASYA_HANDLER is not set; set it to module.function or module.Class.method")
        if not re.match(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+\Z", self.handler):
            words = "ASYA_HANDLER=%r is not of the form module.function or module.Class.method"
            raise StartupError(words % self.handler)


def _read_switch(environ: Mapping[str, str], variable: str, default: str = "true") -> bool:
    text = (environ.get(variable) or default).strip().lower()
    if text in ("true", "1", "yes", "on"):
        return True
    if text in ("false", "0", "no", "off"):
        return False
    raise StartupError("%s=%r is neither true, 1, yes, on nor false, 0, no, off" % (variable, text))


def _read_count(environ: Mapping[str, str], variable: str, most: int, what: str = "number") -> int | None:
    text = environ.get(variable) or ""
    if not text:
        return None
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 1 <= count <= most:
        raise StartupError("%s=%r is not a %s from 1 to %d" % (variable, text, what, most))
    return count


def _read_chmod(environ: Mapping[str, str]) -> int | None:
    text = environ.get("ASYA_SOCKET_CHMOD", "0o666")
    if not text:
        return None
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise StartupError("ASYA_SOCKET_CHMOD=%r is not an octal file mode such as 0600" % text)
    return mode


def json_line(record: logging.LogRecord) -> str:
    """Write a log record as one JSON object, with the fields of the sidecar's log."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + ".%03dZ" % record.msecs
    line = {"time": moment, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
    line.update((name[5:], getattr(record, name)) for name in _NO_CALL if getattr(record, name, "") != "")
    line.update({"exc_info": logging.Formatter().formatException(record.exc_info)} if record.exc_info else {})
    return json.dumps(line, default=str)


def set_up_logging(environ: Mapping[str, str]) -> None:
    """Send all logging to stderr, and lines printed by the handler to stdout as soon as they are whole."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        except (AttributeError, ValueError):
            pass  # the image replaced or closed it
    output = logging.StreamHandler(sys.stderr)
    form = environ.get("ASYA_LOG_FORMAT", "").lower()
    moment = "%(asctime)s" if form != "milliseconds" else "%(asctime)s.%(msecs)03d"
    output.setFormatter(logging.Formatter(moment + " - %(name)s - %(levelname)s - %(message)s", "%Y-%m-%d %H:%M:%S"))
    if form == "json":
        output.format = json_line  # type: ignore[method-assign]
    make_record = logging.getLogRecordFactory()

    def make_record_of_call(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        record.__dict__.update(_CALL.get())
        return record

    logging.setLogRecordFactory(make_record_of_call)
    root = logging.getLogger()
    root.handlers[:] = [output]
    text = environ.get("ASYA_LOG_LEVEL") or "INFO"
    level = logging.getLevelName(text.upper())
    root.setLevel(level if isinstance(level, int) else logging.INFO)
    if not isinstance(level, int):
        logger.warning("ASYA_LOG_LEVEL=%r is no level of Python's logging; INFO is used", text)
    metrics, lines = logging.getLogger("asya.metrics"), MetricLines()
    lines.path = os.path.join(environ.get("ASYA_SOCKET_DIR") or "/var/run/asya", "asya-metrics.sock")
    metrics.handlers[:], metrics.propagate = [lines], False
    metrics.setLevel(logging.INFO)
    for name in sorted(environ):
        if name.startswith("ASYA_"):
            secret = any(word in name for word in ("KEY", "SECRET", "PASSWORD", "TOKEN", "URL"))
            logger.debug("%s=%s", name, "***" if secret else environ[name])


class MetricLines(logging.Handler):
    """Hands what is logged on ``asya.metrics``, a dict or a line of JSON, to the sidecar, which shows it to Prometheus."""

    path = ""
    _sock: socket.socket | None = None
    _pid = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Send one line; where nobody takes it, it is lost: no metric is worth an envelope."""
        text = record.getMessage()
        if isinstance(record.msg, dict):
            whose = getattr(record, "asya_envelope_id", "")
            text = json.dumps(dict({"envelope_id": whose} if whose else {}, **record.msg), default=str)
        for _ in range(2):  # the second time to a sidecar that has restarted
            try:
                if self._sock is None or self._pid != os.getpid():
                    self._sock, self._pid = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), os.getpid()
                    self._sock.settimeout(METRIC_S)
                    self._sock.connect(self.path)
                self._sock.sendall(text.replace("\n", " ").encode("utf-8", "replace") + b"\n")
                break
            except OSError:
                sock, self._sock = self._sock, None
                if sock is not None:
                    sock.close()


# --- The handler ------------------------------------------------------------------------------------------------------


def load_handler(path: str) -> Callable[[Any], Any]:
    """Import the handler; a class is constructed once, without arguments.

    Raises:
        StartupError: It cannot be used; the text says what was looked for and what to change.
    """
    module, names = _import_longest(path.split("."))
    if len(names) > 2:
        near = _near(names[0], _public_names(module))
        raise StartupError(
            "ASYA_HANDLER=%r: found module %s, but %s is neither a function nor Class.method in it%s"
            % (path, module.__name__, ".".join(names), near)
        )
    owner: Any = module
    if len(names) == 2:
        owner = _construct(path, _attribute(path, module, names[0]))
    handler = _attribute(path, owner, names[-1])
    if not callable(handler):
        raise StartupError("ASYA_HANDLER=%r: %s is not callable but %s" % (path, names[-1], _describe(handler)))
    return handler  # type: ignore[no-any-return]


def _import_longest(parts: list[str]) -> tuple[types.ModuleType, list[str]]:
    path = ".".join(parts)
    for count in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:count])
        try:
            return importlib.import_module(name), parts[count:]
        except ModuleNotFoundError as exc:
            # Only "this path does not exist" means: try a shorter one. What a module of the user fails to import is a cause.
            if exc.name is None or not (name + ".").startswith(exc.name + "."):
                raise StartupError(_import_failure(path, name, exc)) from exc
        except BaseException as exc:  # noqa: BLE001 - SystemExit at import must not end the runtime with code 0
            raise StartupError(_import_failure(path, name, exc)) from exc
    import pkgutil  # here, not above: of no use to a handler that can be loaded

    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    near = _near(parts[0], {found.name for found in pkgutil.iter_modules(filter(None, folders))})
    raise StartupError(
        "ASYA_HANDLER=%r: could not import module %s%s (working folder %s, PYTHONPATH=%s)"
        % (path, parts[0], near, os.getcwd(), os.environ.get("PYTHONPATH", ""))
    )


def _near(name: str, known: Iterable[str]) -> str:
    """What may have been meant, as the end of a sentence; empty where nothing is near."""
    import difflib  # here, not above: of no use to a handler that can be loaded

    near = difflib.get_close_matches(name, sorted(known), n=1)
    return "; did you mean %r?" % near[0] if near else ""


def _public_names(owner: Any) -> set[str]:
    """What a module or an object has for its users, a package's modules included."""
    import pkgutil

    modules = {found.name for found in pkgutil.iter_modules(getattr(owner, "__path__", ()))}
    return {name for name in dir(owner) if name[:1] != "_"} | modules


def _import_failure(path: str, name: str, exc: BaseException) -> str:
    return "ASYA_HANDLER=%r: importing %s failed: %s: %s%s" % (path, name, type(exc).__name__, exc, _place(exc))


def _place(exc: BaseException) -> str:
    """Where in the user's code it was raised, ``, at FILE:LINE``; of wrong syntax the text says it, with the line."""
    found = [] if isinstance(exc, SyntaxError) else traceback.extract_tb(exc.__traceback__)
    ours = (_place.__code__.co_filename, importlib.__file__)
    places = [
        (frame.filename, frame.lineno) for frame in found if frame.filename not in ours and frame.filename[0] != "<"
    ]
    return ", at %s:%s" % places[-1] if places else ""


def _attribute(path: str, owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        kind = owner.__name__ if isinstance(owner, types.ModuleType) else type(owner).__name__
        near = _near(name, _public_names(owner))
        raise StartupError("ASYA_HANDLER=%r: %s has no attribute %s%s" % (path, kind, name, near)) from None


def _construct(path: str, cls: Any) -> Any:
    if not isinstance(cls, type):
        raise StartupError("ASYA_HANDLER=%r: %s is not a class but %s" % (path, path.split(".")[-2], _describe(cls)))
    missing = _required_parameters(cls)
    if missing:
        raise StartupError(
            "ASYA_HANDLER=%r: %s() is constructed without arguments, but these parameters have no default: %s"
            % (path, cls.__name__, ", ".join(missing))
        )
    try:
        return cls()
    except BaseException as exc:  # noqa: BLE001 - SystemExit in a constructor must not end the runtime with code 0
        raise StartupError(
            "ASYA_HANDLER=%r: %s() failed: %s: %s%s" % (path, cls.__name__, type(exc).__name__, exc, _place(exc))
        ) from exc


def _required_parameters(cls: type) -> list[str]:
    own = [base for base in cls.__mro__ if base is not object and ("__init__" in vars(base) or "__new__" in vars(base))]
    if not own and type(cls) is type:
        return []
    import inspect  # 1 MiB that only classes with a constructor need

    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):  # written in C: calling it will tell
        return []
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def _describe(value: object) -> str:
    return "an object of type %s" % type(value).__name__


def is_async(handler: Any) -> bool:
    """Whether calling it gives a coroutine to await: async def, also as a method, partial, wrapped or callable object."""
    for _ in range(100):  # a chain of decorators could be a ring
        code = getattr(handler, "__code__", None)
        if code is not None and code.co_flags & 0x180:  # CO_COROUTINE | CO_ITERABLE_COROUTINE
            return True
        for name in ("__wrapped__", "__func__", "func"):
            if hasattr(handler, name):
                handler = getattr(handler, name)
                break
        else:
            call = getattr(type(handler), "__call__", None)  # noqa: B004 - the type's, as the interpreter does
            if isinstance(handler, type) or not isinstance(call, types.FunctionType):
                return False
            handler = call
    return False


class EventLoop:
    """One event loop for the whole process; asyncio (8 MiB) is imported only for handlers that need it.

    It runs in the main thread, also while no call is awaited, so that background tasks and open connections of the handler
    live on between envelopes; where calls run in threads, in a thread of its own that they share.
    """

    def __init__(self, shared: bool) -> None:
        self._shared = shared
        self._loop: Any = None
        self._starting = threading.Lock()
        self._idle: Any = None  # a future that ends the wait for the next request

    def run(self, awaitable: Any, request: Request) -> Any:
        """Await something and return its result, or raise what it raised."""
        import asyncio

        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                if self._shared:
                    threading.Thread(target=self._loop.run_forever, name="asya-loop", daemon=True).start()
                else:
                    asyncio.set_event_loop(self._loop)
        if self._shared:
            result, error = asyncio.run_coroutine_threadsafe(self._watch(awaitable, request), self._loop).result()
        else:
            result, error = self._complete(self._task(awaitable, request))
        request.cancel_task = None
        if error is not None:
            raise error
        return result

    def wait(self, requests: SimpleQueue[Request | None], wait_s: float) -> Request | None:
        """Take the next request, and let the loop run until it comes.

        Raises:
            Empty: None came in time.
        """
        if self._loop is None or self._shared:
            return requests.get(timeout=wait_s)
        self._idle = self._loop.create_future()
        timer = self._loop.call_later(wait_s, self._end_wait)
        if requests.empty():
            self._complete(self._idle)
        timer.cancel()
        return requests.get_nowait()

    def _complete(self, future: Any) -> Any:
        while not future.done():
            try:
                self._loop.run_until_complete(future)
            except BaseException:  # noqa: BLE001 - it is no other task's envelope
                logger.warning("a background task of the handler tried to end the process", exc_info=True)
        return future.result()

    def wake(self) -> None:
        """Say that a request has come; from any thread, or a signal handler."""
        if self._idle is not None:
            self._loop.call_soon_threadsafe(self._end_wait)

    def _end_wait(self) -> None:
        if not self._idle.done():
            self._idle.set_result(None)

    async def _watch(self, awaitable: Any, request: Request) -> Any:
        return await self._task(awaitable, request)

    def _task(self, awaitable: Any, request: Request) -> Any:
        task = self._loop.create_task(_guard(awaitable))
        request.cancel_task = lambda: self._loop.call_soon_threadsafe(task.cancel)
        if request.cancelled:
            request.cancel_task()
        return task

    def close(self) -> None:
        """Cancel the tasks that the handler left behind, and let async generators finish."""
        if self._loop is None or self._shared:
            return
        import asyncio

        self._idle = None
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(CLOSE_S if left else 0))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


async def _guard(awaitable: Any) -> tuple[Any, BaseException | None]:
    # SystemExit and KeyboardInterrupt would tear through the loop and leave it broken for the next envelope.
    try:
        return await awaitable, None
    except BaseException as exc:  # noqa: BLE001 - raised again by run()
        return None, exc


async def _forward(items: Any, take: Callable[[Any], Any]) -> None:
    answer = None
    try:
        while True:
            try:
                value = await items.asend(answer)
            except StopAsyncIteration:
                return
            answer = take(value)
    finally:
        await items.aclose()


def _drive(items: Any, take: Callable[[Any], Any]) -> Any:
    """Run a generator to its end, and return what it returned; what ``take`` answers is the value of its ``yield``."""
    answer = None
    try:
        while True:
            try:
                value = items.send(answer)
            except StopIteration as end:
                return end.value
            answer = take(value)
    finally:
        items.close()


# --- JSON and the envelope's rules ------------------------------------------------------------------------------------

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode_json(value: Any, within: str = "") -> bytes:
    """Write what a handler returned, all of it or the part that ``within`` names.

    Raises:
        TypeError: A value of this type is not JSON.
        ValueError: NaN, Infinity, a lone surrogate or a ring.
        RecursionError: Nested too deeply.
    """
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except UnicodeEncodeError as exc:
        error: Exception = ValueError("a string holds the lone surrogate %s" % ascii(exc.object[exc.start]))
    except RecursionError:
        error = RecursionError("it is nested too deeply")
    except (TypeError, ValueError) as exc:
        error = exc if type(exc) in (TypeError, ValueError) else ValueError(str(exc))
    try:
        place = " (at %s: %s)" % next(_not_json(value, within))
    except (StopIteration, RecursionError):
        place = ""
    broken = type(error)("handler result is not JSON: %s%s" % (error, place))
    broken.asya_permanent = True  # type: ignore[attr-defined]  # another attempt makes another such result
    raise broken


def _not_json(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Find what JSON cannot hold: its place in the result, e.g. ``pages[3].vector``, and what it is, with the cure."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, (str, int, float, type(None))):
                yield place or "the result", "a key of type %s, use str(key)" % type(key).__name__
            yield from _not_json(inner, ("%s.%s" % (place, key)).lstrip("."))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _not_json(inner, "%s[%d]" % (place, index))
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield place or "the result", "%r, use None" % value
    elif not isinstance(value, (str, int, type(None))):
        ways = ["use its %s()" % name for name in ("tolist", "isoformat", "_asdict", "dict") if hasattr(value, name)]
        yield place or "the result", "%s, %s" % (type(value).__name__, (ways or ["make it text or a number"])[0])


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError("Envelope is not JSON: %s is not a JSON number" % name)


def decode_envelope(body: bytes) -> dict[str, Any]:
    """Read a request's bytes as a JSON object.

    Raises:
        ValueError: They are something else; the text says what.
    """
    if not body:
        raise ValueError("Envelope is empty (0 bytes)")
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("Envelope is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("Envelope must be a JSON object, not %s" % _json_type(document))
    if b"\\ud" in body or b"\\uD" in body:
        try:
            _ENCODER.encode(document).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("Envelope is not valid Unicode: a string holds a lone surrogate escape") from None
        except ValueError:
            pass  # a number too large for a float; the handler may still want it
    return document


def _json_type(value: object) -> str:
    names = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string", list: "array"}
    return names.get(type(value), type(value).__name__)


def validate_envelope(envelope: dict[str, Any], before: dict[str, Any] | None = None) -> None:
    """Check the rules of an envelope, and set ``route.current`` where it is absent.

    Args:
        envelope: The input, or one output of a handler in envelope mode.
        before: The input's route, for an output: actors up to and including its current one must stay.

    Raises:
        ValueError: A rule is broken.
    """
    if "payload" not in envelope:
        raise ValueError("Missing required field 'payload' in envelope")
    if "route" not in envelope:
        raise ValueError("Missing required field 'route' in envelope")
    _validate_route(envelope["route"])
    if not isinstance(envelope.get("headers", {}), (dict, type(None))):
        raise ValueError("Field 'headers' must be a dict")
    if before is not None:
        _compare_routes(before, envelope["route"])
    if "id" in envelope and not isinstance(envelope["id"], str):
        raise ValueError("Field 'id' must be a string")
    if not isinstance(envelope.get("parent_id"), (str, type(None))):
        raise ValueError("Field 'parent_id' must be a string")


def _validate_route(route: Any) -> None:
    if not isinstance(route, dict):
        raise ValueError("Field 'route' must be a dict")
    if "actors" not in route:
        raise ValueError("Missing required field 'actors' in route")
    actors = route["actors"]
    if not isinstance(actors, (list, tuple)):
        raise ValueError("Field 'route.actors' must be a list")
    if not all(isinstance(actor, str) and actor for actor in actors):
        raise ValueError("Field 'route.actors' must be a list of actor names")
    current = route.setdefault("current", 0)
    if isinstance(current, bool) or not isinstance(current, int):
        raise ValueError("Field 'route.current' must be an integer")
    if not actors:
        raise ValueError("Field 'route.actors' cannot be empty")
    if not 0 <= current <= len(actors):
        raise ValueError("Invalid route.current=%d: out of bounds for actors of length %d" % (current, len(actors)))


def _compare_routes(before: dict[str, Any], after: dict[str, Any]) -> None:
    count = before["current"] + 1
    kept, found = before["actors"][:count], list(after["actors"][:count])
    if kept != found:
        raise ValueError(
            "Route modification error: already-processed actors cannot be erased. "
            "Input route starts with %r, but output route starts with %r" % (kept, found)
        )


def error_item(code: str, exc: BaseException, stack: str | None = None) -> bytes:
    """Write the one item of a failed request: ``{"error", "details": {"message", "type", "mro", "traceback"}}``."""
    kind = type(exc)
    dropped = (object, BaseException) if isinstance(exc, Exception) else (object,)
    try:
        parts = ["%s: %s" % (type(each).__name__, each) for each in _within(exc) if not hasattr(each, "exceptions")]
        message = str(exc) + (": " if parts else "") + "; ".join(parts[:3])
    except BaseException as broken:  # noqa: BLE001 - an exception of the user whose __str__ raises
        message = "(its text cannot be read: %s)" % type(broken).__name__
    if stack is None:
        try:
            frames = exc.__traceback__
            while frames is not None and frames.tb_frame.f_code.co_filename == error_item.__code__.co_filename:
                frames = frames.tb_next  # ours, which tell nobody anything
            stack = "".join(traceback.format_exception(kind, exc, frames))
        except BaseException as broken:  # noqa: BLE001 - as above
            stack = "(its traceback cannot be written: %s)" % type(broken).__name__
    mro = [_clip(base.__name__) for base in kind.__mro__ if base not in dropped]
    mro += [_clip(base.__name__) for each in _within(exc) for base in type(each).__mro__[:-2]]
    details: dict[str, object] = {
        "message": _clip(message),
        "type": _clip(kind.__name__),
        "mro": list(dict.fromkeys(mro)),
        "traceback": _clip(stack),
        **_retry_after(exc),
    }
    if getattr(exc, "asya_permanent", False):
        details["permanent"] = True
    return _ENCODER.encode({"error": code, "details": details}).encode("utf-8")


def _retry_after(exc: BaseException) -> dict[str, str]:
    """What says for how long to call later: the exception, or the HTTP response that a client keeps in it; 0 of a bare 429."""
    try:
        response = getattr(exc, "response", None)
        told = getattr(response, "headers", None) or getattr(exc, "headers", None) or {}
        value = getattr(exc, "retry_after", None) or told.get("retry-after") or told.get("Retry-After")
        codes = [getattr(each, name, 0) for each in (exc, response) for name in ("status_code", "status", "code")]
        return {"retry_after": str(value or 0)} if value or 429 in codes else {}
    except Exception:  # noqa: BLE001 - what somebody else's exception holds must not hide it
        return {}


def _within(exc: BaseException) -> Iterator[BaseException]:
    """The exceptions that a group holds, so that retry rules and people see what a TaskGroup wraps."""
    inner = getattr(exc, "exceptions", ())
    if any(base.__name__ == "BaseExceptionGroup" for base in type(exc).__mro__) and isinstance(inner, tuple):
        for each in inner:
            yield each
            yield from _within(each)


def _clip(text: str) -> str:
    if len(text) > MAX_DETAIL_CHARS:
        half = MAX_DETAIL_CHARS // 2
        text = "%s\n... %d characters left out ...\n%s" % (text[:half], len(text) - 2 * half, text[-half:])
    return text.encode("utf-8", "replace").decode("utf-8")


class Connection:
    """One client: a thread reads it, the main thread (and the alarms) write to it.

    ``turn`` is held from the moment a request is handed to the main thread until it is answered, so that at most one
    request per connection waits.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.turn = threading.Lock()
        self.request: Request | None = None  # the latest; a cancel frame means this one
        self.takes_pieces = False

    def send(self, body: bytes) -> None:
        """Send one frame.

        Raises:
            ClientGone: Nobody is there to read it.
        """
        header = len(body).to_bytes(4, "big")
        try:
            if len(body) < 65536:
                self.sock.sendall(header + body, socket.MSG_NOSIGNAL)
            else:
                self.sock.sendall(header, socket.MSG_NOSIGNAL)
                self.sock.sendall(body, socket.MSG_NOSIGNAL)
        except OSError as exc:
            raise ClientGone(str(exc)) from None

    def is_free(self) -> bool:
        """Whether a frame of pieces can be sent without waiting; a Unix socket says so while most of its buffer is empty."""
        poller = select.poll()
        poller.register(self.sock, select.POLLOUT)
        return any(events & select.POLLOUT for _, events in poller.poll(0))

    def stop_reading(self) -> None:
        """Refuse what the client sends from now on; what has arrived can still be read."""
        try:
            self.sock.shutdown(socket.SHUT_RD)
        except OSError:
            pass  # the client was faster

    def is_gone(self) -> bool:
        """Whether the client closed both directions; one that only finished writing still reads."""
        poller = select.poll()
        poller.register(self.sock, 0)
        return any(events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, events in poller.poll(0))

    def read_frame(self, stream: io.BufferedReader[Any]) -> bytes | None:
        """Read one frame; none at the end of the stream.

        Raises:
            FrameError: It is cut or too long.
        """
        header = stream.read(4)
        if not header:
            return None
        if len(header) < 4:
            raise FrameError("frame header cut: %d of 4 bytes" % len(header))
        length = int.from_bytes(header, "big")
        if length > MAX_FRAME_BYTES:
            raise FrameError("frame of %d bytes is over the limit of %d bytes" % (length, MAX_FRAME_BYTES))
        body = stream.read(length) if length else b""
        if len(body) < length:
            raise FrameError("frame cut: %d of %d bytes" % (len(body), length))
        return body


class Request:
    """One envelope to process, or a batch of them, and the way its answer leaves: one final frame for each.

    The lock orders the processing thread's frames against the stream's linger alarm and the watchdog; ``done`` is set by
    whoever sends the final frame, exactly once.
    """

    def __init__(self, connection: Connection, bodies: list[bytes], streams: bool, timeout_s: float | None) -> None:
        self.connection = connection
        self.bodies = bodies
        self.streams = streams
        self.timeout_s = timeout_s
        self.deadline = math.inf
        self.thread: int | None = None
        self.in_handler = False
        self.cancelled = False
        self.cancel_task: Callable[[], object] | None = None
        self.lock = threading.Lock()
        self.done = False
        self.gone = False
        self.count = 0
        self._held: list[bytes] = []
        self._flushed = 0.0
        self._pieces: list[bytes] = []  # the newest of ``_flown``
        self._flown = 0
        self._flown_at = 0.0

    def add(self, item: bytes, linger: Alarm) -> float:
        """Take one item of a generator, and return the seconds for which a slow reader held it up.

        Raises:
            ClientGone: Nobody reads; the generator may stop.
        """
        start = time.monotonic()
        with self.lock:
            if self.gone:
                raise ClientGone("connection closed while items were sent")
            self.count += 1
            self._held.append(item)
            if not self.streams:
                return 0.0
            if len(self._held) >= STREAM_ITEMS or start - self._flushed >= STREAM_LINGER_S:
                self._flush()
            elif len(self._held) == 1:
                linger.set_earlier(start + STREAM_LINGER_S)
        return time.monotonic() - start

    def fly(self, piece: bytes, linger: Alarm, wait_s: float) -> None:
        """Take one piece of a stream, and send it where the client reads, so long after the one before.

        Raises:
            ClientGone: Nobody reads; the generator may stop.
        """
        with self.lock:
            if self.gone:
                raise ClientGone("connection closed while pieces were sent")
            self._flown += 1
            if not (self.streams and self.connection.takes_pieces):
                return
            self._pieces.append(piece)
            if len(self._pieces) > PIECES_HELD:
                del self._pieces[0]
            if time.monotonic() - self._flown_at >= wait_s:
                self._send_pieces(False)
            if self._pieces:
                linger.set_earlier(time.monotonic() + wait_s)

    def flush(self) -> bool:
        """Send what is held, from the linger alarm; whether pieces are left, for which the client has no room."""
        with self.lock:
            if not self.done:
                try:
                    if self._held:
                        self._flush()
                    self._send_pieces(False)
                except ClientGone:
                    self.gone = True
            return bool(self._pieces) and not self.done and not self.gone

    def _send_pieces(self, wait: bool) -> None:
        while self._pieces and (wait or self.connection.is_free()):
            first, size, count = self._flown - len(self._pieces), 0, 0
            for piece in self._pieces:
                if count and size + len(piece) >= PIECE_BYTES:
                    break
                size, count = size + len(piece) + 1, count + 1
            body = b'{"pieces":[' + b",".join(self._pieces[:count]) + b'],"first":%d}' % first
            del self._pieces[:count]
            self.connection.send(body)
        self._flown_at = time.monotonic()

    def _flush(self) -> None:
        body = b'{"more":[' + b",".join(self._held) + b"]}"
        if len(body) > MAX_FRAME_BYTES:
            raise ValueError("handler result of %d bytes is over the limit of %d bytes" % (len(body), MAX_FRAME_BYTES))
        self._held = []
        self.connection.send(body)
        self._flushed = time.monotonic()

    def finish(self, items: Iterable[bytes] = (), is_list: bool = False) -> None:
        """Send the final frame of a success; a list or stream without items is told from no result at all."""
        with self.lock:
            items = list(items)
            if is_list and self.streams and not self.count and not items:
                self.connection.send(b'{"more":[]}')
            self.count += len(items)
            body = b"[" + b",".join(self._held + items) + b"]"
            if len(body) > MAX_FRAME_BYTES:
                raise ValueError(
                    "handler result of %d bytes is over the limit of %d bytes" % (len(body), MAX_FRAME_BYTES)
                )
            self._send_final([body])

    def finish_batch(self, frames: list[bytes]) -> None:
        """Send the final frames of a batch, one per envelope in order."""
        with self.lock:
            self.count += len(frames)
            self._send_final(frames)

    def fail(self, item: bytes) -> None:
        """Send the final frame of a failure, behind what a generator had made and the linger still holds."""
        with self.lock:
            held = self._held if self.streams else []
            self._send_final([b"[" + b",".join(held + [item]) + b"]"] * len(self.bodies))

    def expire(self, item: Callable[[], bytes]) -> bool:
        """Answer for a handler that is about to be ended, from the watchdog.

        Returns:
            Whether the answer was still missing; false when it is on its way, which a slow reader can hold up.
        """
        if not self.lock.acquire(False):
            return False
        try:
            if self.done:
                return False
            self._send_final([b"[" + item() + b"]"] * len(self.bodies))
        except ClientGone:
            pass
        finally:
            self.lock.release()
        return True

    def _send_final(self, frames: list[bytes]) -> None:
        if self.done:  # the watchdog was faster and is ending the process: begin nothing that would be cut off
            time.sleep(60)
            raise ClientGone("answered by the watchdog")
        self.done = True
        self._held = []
        self._send_pieces(True)
        for frame in frames:
            self.connection.send(frame)


class Alarm:
    """Calls back in a thread of its own once a moment (``time.monotonic``) has passed; a later moment replaces an earlier one.

    Moving the moment on wakes no thread, so that it costs next to nothing per request. ``lock`` may be held around ``set``.
    """

    def __init__(self, name: str, ring: Callable[[], None], rest: Callable[[], None] | None = None) -> None:
        self.lock = threading.RLock()
        self._name = name
        self._ring = ring
        self._rest = rest  # called, lock held, when the thread found nothing to wait for
        self._changed = threading.Condition(self.lock)
        self._moment = math.inf
        self._wakes = math.inf
        self._started = False

    def set(self, moment: float) -> None:
        """Ring at a moment; infinity means never."""
        with self.lock:
            self._moment = moment
            if moment < self._wakes:
                self._changed.notify()
            if not self._started and moment < math.inf:
                self._started = True
                threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def set_earlier(self, moment: float) -> None:
        """Ring at a moment, unless it rings before."""
        with self.lock:
            if moment < self._moment:
                self.set(moment)

    def _run(self) -> None:
        while True:
            with self.lock:
                self._wakes = self._moment
                if self._moment == math.inf:
                    if self._rest is not None:
                        self._rest()
                    self._changed.wait()
                    continue
                wait_s = self._moment - time.monotonic()
                if wait_s > 0:
                    self._changed.wait(wait_s)
                    continue
                self._moment = math.inf
            self._ring()


class Watchdog:
    """Ends the process when a handler runs past its request's timeout or goes on after it was cancelled."""

    def __init__(self, end: Callable[[str], None]) -> None:
        self._end = end
        self._alarm = Alarm("asya-watchdog", self._ring, self._disarm)
        self._watched: list[Request] = []
        self._hard_stop = 0.0  # moment for which the C timer is armed; 0 is not armed

    def watch(self, request: Request) -> None:
        """Start the clock of a request."""
        with self._alarm.lock:
            if request.timeout_s is None:
                if self._hard_stop and not self._watched:
                    self._disarm()
                return
            request.deadline = time.monotonic() + request.timeout_s
            self._watched.append(request)
            self._arm()

    def postpone(self, request: Request, spent_s: float) -> None:
        """Add the time for which the client's slow reading held the handler up."""
        with self._alarm.lock:
            if request in self._watched:
                request.deadline += spent_s
                self._arm()

    def hasten(self, request: Request, grace_s: float) -> None:
        """Let a cancelled request end soon, or never when it has ended meanwhile."""
        with self._alarm.lock:
            if not request.done:
                request.deadline = min(request.deadline, time.monotonic() + grace_s)
                if request not in self._watched:
                    self._watched.append(request)
                self._arm()

    def leave(self, request: Request) -> None:
        """Stop the clock."""
        with self._alarm.lock:
            if request in self._watched:
                self._watched.remove(request)
                if self._watched:
                    self._arm()
                else:
                    self._alarm.set(math.inf)

    def running(self) -> list[Request]:
        """The requests whose clock runs."""
        with self._alarm.lock:
            return list(self._watched)

    def _arm(self) -> None:
        deadline = min(request.deadline for request in self._watched)
        earliest = deadline + HARD_STOP_GRACE_S
        if not earliest <= self._hard_stop <= earliest + 2 * HARD_STOP_SLACK_S:
            self._hard_stop = earliest + HARD_STOP_SLACK_S
            # Writes every thread's stack to stderr and ends the process with code 1, without needing the interpreter's lock.
            faulthandler.dump_traceback_later(self._hard_stop - time.monotonic(), exit=True, file=2)
        self._alarm.set(deadline)

    def _disarm(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        self._hard_stop = 0.0

    def _ring(self) -> None:
        with self._alarm.lock:
            late = [request for request in self._watched if request.deadline <= time.monotonic()]
            if not late:
                if self._watched:  # another request's turn has begun
                    self._arm()
                return
        request = late[0]
        code = "interrupted" if request.cancelled else "timeout_error"
        if request.cancelled:
            error: BaseException = EnvelopeCancelled("handler did not end within %g s of its cancel" % CANCEL_GRACE_S)
        else:
            error = TimeoutError("handler ran past its timeout of %g s" % (request.timeout_s or 0.0))
        frame = sys._current_frames().get(request.thread or 0)  # noqa: SLF001 - no public way to another thread's stack
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        if request.expire(lambda: error_item(code, error, stack)):
            reason = "%s; the process ends with code %d" % (error, EXIT_TIMEOUT)
            interruption = RuntimeError("the process ends because of another call: %s" % error)
            for other in self.running():
                other.expire(lambda: error_item("interrupted", interruption, ""))
            self._end(reason)
        # The handler is ready and its answer waits for a slow reader, which is not the handler's fault.
        self.postpone(request, 1.0)


# --- The server -------------------------------------------------------------------------------------------------------


class Server:
    """Owns the socket and the ready file, reads the clients, and calls the handler in the main thread."""

    def __init__(self, settings: Settings, handler: Callable[[Any], Any]) -> None:
        self.settings = settings
        self.pid = os.getpid()
        self._handler = handler
        self._awaits = is_async(handler)
        self._threaded = settings.concurrency > 1
        self._loop = EventLoop(self._threaded)
        self._requests: SimpleQueue[Request | None] = SimpleQueue()
        self._connections: set[Connection] = set()
        self._listener: socket.socket | None = None
        self._acceptor = threading.Thread(target=self._accept, name="asya-accept", daemon=True)
        self._socket_id: tuple[int, int] | None = None
        self._ready = b""
        self._signals = 0
        self._stopping = False
        self._done = False
        self._old_signals: dict[int, Any] = {}
        self._watchdog = Watchdog(self._end_late)
        self._linger = Alarm("asya-linger", self._flush_streams)
        self._running: list[Request] = []
        self._wakes: SimpleQueue[None] = SimpleQueue()

    # Life cycle

    def listen(self) -> None:
        """Bind the socket, say that we are ready, and start to accept.

        Raises:
            StartupError: The socket folder cannot be used.
        """
        path = self.settings.socket_path
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.settimeout(None)
            listener.bind(path)
            if self.settings.socket_chmod is not None:
                os.chmod(path, self.settings.socket_chmod)
            listener.listen(128)
            found = os.stat(path)
            self._listener, self._socket_id = listener, (found.st_dev, found.st_ino)
            os.register_at_fork(after_in_child=self._after_fork_in_child)
            for number in (signal.SIGTERM, signal.SIGINT):
                self._old_signals[number] = signal.signal(number, self._on_signal)
            self._take_cancel_signal()
            self._acceptor.start()
            self._ping(path)
            self._write_ready()
        except OSError as exc:
            self.remove_files()
            problem = "cannot listen on %s: %s" % (path, exc)
            raise StartupError("ASYA_SOCKET_DIR=%s: %s" % (self.settings.socket_dir, problem)) from None

    def _ping(self, path: str) -> None:
        """Ask ourselves for a hello, as the sidecar will; ready means that this was answered.

        The socket is the interpreter's own: where a module has put other threads in Python's place (gevent), nothing else
        runs while this thread waits, now as later.
        """
        hello = encode_json({"asya": {"protocol": PROTOCOL}})
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(PING_S)
        try:
            sock.connect(path)
            sock.sendall(len(hello).to_bytes(4, "big") + hello)
            if sock.recv(1):
                return
        except socket.timeout:  # noqa: UP041 - another class before Python 3.10
            pass
        finally:
            sock.close()
        self.remove_files()
        raise StartupError(
            "ASYA_HANDLER=%r: once it is imported, the runtime does not answer a ping within %g s; does a module replace "
            "Python's threads (gevent.monkey)?" % (self.settings.handler, PING_S)
        )

    def _write_ready(self) -> None:
        self._ready = b"ready " + encode_json(self._about()) + b"\n"
        partial = "%s.%d" % (self.settings.ready_path, self.pid)
        with open(partial, "wb") as file:
            file.write(self._ready)
        os.replace(partial, self.settings.ready_path)

    def serve(self) -> None:
        """Process requests until a signal ends it."""
        names = ["asya-call-%d" % number for number in range(self.settings.concurrency if self._threaded else 0)]
        workers = [threading.Thread(target=self._work, name=name, daemon=True) for name in names]
        for worker in workers:
            worker.start()
        while self._signals == 0:
            self._turn(SIGNAL_POLL_S)
        self._stop_reading()
        while self._signals < 2 and (self._connections or self._acceptor.is_alive()):
            self._turn(0.02)
        self._done = True
        for _ in workers:
            self._requests.put(None)
        for worker in workers:  # calls that have begun are finished
            worker.join()
        self.remove_files()
        try:
            self._loop.close()
        except BaseException:  # noqa: BLE001 - a task that the handler left behind; every request is answered
            logger.warning("event loop did not close cleanly", exc_info=True)
        logger.info("stopped")

    def _turn(self, wait_s: float) -> None:
        if not self._threaded:
            self._process_next(wait_s)
            return
        try:
            self._wakes.get(timeout=wait_s)
        except Empty:
            pass

    def _work(self) -> None:
        while not self._done:
            self._process_next(SIGNAL_POLL_S)

    def _process_next(self, wait_s: float) -> None:
        try:
            request = self._loop.wait(self._requests, wait_s)
        except Empty:
            return
        if request is None:  # a signal
            return
        try:
            self._process(request)
        finally:
            request.connection.turn.release()

    def _stop_reading(self) -> None:
        # From here on a client's send fails, so that it knows that no handler saw its envelope. What it had sent is still
        # read and answered, and every reading thread comes to an end (before Python 3.9 an interpreter that ends while a
        # thread is inside a buffered read aborts).
        self._stopping = True
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
        for connection in list(self._connections):
            connection.stop_reading()

    def remove_files(self) -> None:
        """Remove socket and ready file if they are still ours: a successor may already have made its own."""
        try:
            with open(self.settings.ready_path, "rb") as file:
                ours = file.read() == self._ready
            if ours:
                os.unlink(self.settings.ready_path)
        except OSError:
            pass
        try:
            found = os.stat(self.settings.socket_path)
            if (found.st_dev, found.st_ino) == self._socket_id:
                os.unlink(self.settings.socket_path)
        except OSError:
            pass

    def _on_signal(self, number: int, _frame: object) -> None:
        self._signals += 1
        self.remove_files()
        self._requests.put(None)  # wakes the main thread when it waits
        self._wakes.put(None)
        self._loop.wake()

    # Cancelling

    def _take_cancel_signal(self) -> None:
        # A signal is the only thing that gets the main thread out of a system call. One that is used by somebody else stays
        # theirs; a cancelled handler is then ended with the process.
        self._cancel_signal = None
        if not self._threaded and signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL:
            self._old_signals[signal.SIGUSR2] = signal.signal(signal.SIGUSR2, self._on_cancel)
            self._cancel_signal = signal.SIGUSR2

    def _on_cancel(self, _number: int, _frame: object) -> None:
        for request in self._running:
            if request.cancelled and request.in_handler and request.cancel_task is None:
                request.in_handler = False
                raise EnvelopeCancelled("cancelled by its caller")

    def _cancel(self, request: Request | None) -> None:
        if request is None or request.done:
            return
        request.cancelled = True
        cancel_task = request.cancel_task
        if cancel_task is not None:
            cancel_task()
        elif request.in_handler and self._cancel_signal is not None:
            signal.pthread_kill(threading.main_thread().ident or 0, self._cancel_signal)
        if request.thread is not None:
            self._watchdog.hasten(request, CANCEL_GRACE_S)

    def _end_late(self, reason: str) -> NoReturn:
        self.remove_files()
        # No logging: the handler may be stuck while it holds the logger's lock, or with stderr full.
        poller = select.poll()
        try:
            poller.register(2, select.POLLOUT)
            if poller.poll(0):
                os.write(2, ("asya.runtime - CRITICAL - %s\n" % reason).encode())
        except OSError:
            pass
        os._exit(EXIT_TIMEOUT)

    def _after_fork_in_child(self) -> None:
        # A process that the handler forks must neither keep the clients' connections open when we die, nor act on our signals.
        for connection in list(self._connections):
            _drop(connection.sock)
        if self._listener is not None:
            _drop(self._listener)
        for number, old in self._old_signals.items():
            try:
                signal.signal(number, old)
            except (ValueError, TypeError):
                pass

    # Reading, in threads

    def _accept(self) -> None:
        assert self._listener is not None  # noqa: S101 - listen() set it before it started this thread
        while True:
            try:
                sock = socket.socket(fileno=self._listener._accept()[0])  # type: ignore[attr-defined] # C's own accept
                sock.settimeout(None)  # a library of the user may have called socket.setdefaulttimeout
                connection = Connection(sock)
                self._connections.add(connection)
                if self._stopping:
                    connection.stop_reading()
                threading.Thread(target=self._read, args=(connection,), name="asya-client", daemon=True).start()
            except (OSError, RuntimeError):  # too many open files or threads, which a handler can cause
                if self._stopping:
                    return
                logger.exception("cannot accept a connection; trying again")
                time.sleep(0.2)

    def _read(self, connection: Connection) -> None:
        problem: Exception | None = None
        try:
            raw = io.FileIO(connection.sock.fileno(), closefd=False)
            with io.BufferedReader(raw, self.settings.chunk_bytes) as stream:
                self._read_requests(connection, stream)
        except (FrameError, MemoryError) as exc:
            logger.warning("connection closed: %s", exc or "not enough memory for its frame")
            problem = exc
        except (OSError, ClientGone) as exc:
            logger.debug("connection lost: %s", exc)
        with connection.turn:  # a client that only finished writing still gets the answer that it waits for
            if problem is not None:
                try:
                    connection.send(b"[" + error_item("connection_error", problem) + b"]")
                except ClientGone:
                    pass
            self._connections.discard(connection)
            connection.sock.close()

    def _read_requests(self, connection: Connection, stream: io.BufferedReader[Any]) -> None:
        first = connection.read_frame(stream)
        if first is None:  # a connect test
            return
        streams = _is_hello(first)
        if streams:
            connection.takes_pieces = json.loads(first.decode("utf-8"))["asya"].get("pieces") is True
            connection.send(self._hello())
        else:
            self._submit(Request(connection, [first], False, None))
        while True:
            timeout_s, count = None, 1
            if streams:
                frame = connection.read_frame(stream)
                if frame is None:
                    return
                head = _read_head(frame)
                if head.get("cancel") is True:
                    self._cancel(connection.request)
                    continue
                timeout_s, count = _read_timeout(head), _read_batch(head, self.settings.batch)
            bodies: list[bytes] = []
            while len(bodies) < count:
                body = connection.read_frame(stream)
                if body is None:
                    if streams:
                        raise FrameError("connection ended between a head and its envelope")
                    return
                bodies.append(body)
            self._submit(Request(connection, bodies, streams, timeout_s))

    def _submit(self, request: Request) -> None:
        request.connection.turn.acquire()
        request.connection.request = request
        self._requests.put(request)
        self._loop.wake()

    def _about(self) -> dict[str, Any]:
        about = {"protocol": PROTOCOL, "pid": self.pid, "concurrency": self.settings.concurrency, "cancel": True}
        return about if self.settings.batch is None else {**about, "batch": self.settings.batch}

    def _hello(self) -> bytes:
        return encode_json({"asya": {"handler": self.settings.handler, "mode": self.settings.mode, **self._about()}})

    # Processing, in the main thread or in several

    def _process(self, request: Request) -> None:
        start = time.monotonic()
        envelope_id: object = None
        try:
            if request.connection.is_gone():
                raise ClientGone("connection closed before its envelope was started")
            request.thread = threading.get_ident()
            self._watchdog.watch(request)
            self._running.append(request)
            if request.cancelled:
                raise EnvelopeCancelled("cancelled before its handler was called")
            if self.settings.batch is not None:
                envelope_id = "batch of %d" % len(request.bodies)
                outcome = self._answer(request, lambda: self._call_batch(request))
            else:
                try:
                    envelope = decode_envelope(request.bodies[0])
                    envelope_id = envelope.get("id")
                    if self.settings.validate:
                        validate_envelope(envelope)
                except (ValueError, RecursionError) as exc:
                    outcome = "refused: %s" % type(exc).__name__
                    request.fail(error_item("msg_parsing_error", exc))
                else:
                    outcome = self._answer(request, lambda: self._call(request, envelope))
        except ClientGone as exc:
            outcome = "not delivered, %s" % exc
        except EnvelopeCancelled as exc:
            outcome = self._fail_cancelled(request, exc)
        finally:
            self._watchdog.leave(request)
            if request in self._running:
                self._running.remove(request)
        took_ms = (time.monotonic() - start) * 1000
        logger.info("envelope id=%s %s, %d items, %.1f ms", _printable(envelope_id), outcome, request.count, took_ms)
        _CALL.set(_NO_CALL)

    def _answer(self, request: Request, call: Callable[[], None]) -> str:
        try:
            call()
        except ClientGone:
            raise
        except BaseException as exc:  # noqa: BLE001 - SystemExit and KeyboardInterrupt of a handler are failures of its envelope
            request.in_handler = False
            if os.getpid() != self.pid:
                os._exit(1)  # the handler forked, and its child came back here
            if request.cancelled:
                return self._fail_cancelled(request, exc)
            request.fail(error_item("processing_error", exc))
            return "failed: %s" % type(exc).__name__
        return "processed"

    def _fail_cancelled(self, request: Request, exc: BaseException) -> str:
        try:
            request.fail(error_item("cancelled", exc))
        except ClientGone:
            pass
        return "cancelled"

    def _run_handler(self, request: Request, argument: Any) -> Any:
        request.in_handler = True  # from here to its end a cancel interrupts it
        if request.cancelled:
            raise EnvelopeCancelled("cancelled before its handler was called")
        result = self._handler(argument)
        if self._awaits and hasattr(result, "__await__"):
            result = self._loop.run(result, request)
        if os.getpid() != self.pid:
            os._exit(0)
        return result

    def _call(self, request: Request, envelope: dict[str, Any]) -> None:
        argument, write, desk = self._prepare(envelope)
        _CALL.set(_about([envelope]))
        result = self._run_handler(request, argument)

        def take(value: Any) -> Any:
            if isinstance(value, tuple) and value and isinstance(value[0], str) and value[0] in VERBS:
                verb = value[0]
                if len(value) != VERBS[verb]:
                    raise TypeError("yield %r takes %d value(s) behind the verb" % (verb, VERBS[verb] - 1))
                if verb != "FLY":
                    if desk is None:
                        raise TypeError(
                            "yield %r: with ASYA_HANDLER_MODE=envelope a handler has its whole envelope" % verb
                        )
                    return desk.do(*value)
                value = value[1]
            elif not self.settings.stream:
                spent_s = request.add(write(value, request.count, None), self._linger)
                if spent_s > 0.01:
                    self._watchdog.postpone(request, spent_s)
                return None
            request.fly(_write_piece(value), self._linger, min(STREAM_LINGER_S, PIECES_LINGER_S * len(self._running)))
            return None

        is_list = self.settings.fans_out and isinstance(result, (list, tuple))
        if isinstance(result, types.GeneratorType):
            result, is_list = _drive(result, take), True
            if self.settings.stream:
                is_list = self.settings.fans_out and isinstance(result, (list, tuple))
            else:
                result = None  # of a generator that fans out
        elif isinstance(result, types.AsyncGeneratorType):
            if self.settings.stream:
                raise TypeError(
                    'ASYA_STREAM: an asynchronous generator returns no result; yield "FLY", piece without it'
                )
            self._loop.run(_forward(result, take), request)
            result, is_list = None, True
        items = _write_result(result, write, self.settings.fans_out)
        request.in_handler = False
        if len(items) == 1 and is_list:
            request.add(items.pop(), self._linger)  # a list of one is a fan-out, as a stream of one is
        request.finish(items, is_list=is_list)

    def _call_batch(self, request: Request) -> None:
        """Call the handler once with every payload that is fit for it; what is not is answered for by itself."""
        frames: list[bytes | None] = []
        arguments, writers, envelopes = [], [], []
        for body in request.bodies:
            try:
                envelope = decode_envelope(body)
                if self.settings.validate:
                    validate_envelope(envelope)
                argument, write, _ = self._prepare(envelope)
            except (ValueError, RecursionError) as exc:
                frames.append(b"[" + error_item("msg_parsing_error", exc) + b"]")
            else:
                frames.append(None)
                arguments.append(argument)
                writers.append(write)
                envelopes.append(envelope)
        _CALL.set(_about(envelopes) if envelopes else _NO_CALL)
        results = self._run_handler(request, arguments) if arguments else []
        request.in_handler = False
        if not isinstance(results, (list, tuple)):
            words = "a handler with ASYA_BATCH_SIZE gets a list of %d and returns a list of as many results, not %s"
            raise TypeError(words % (len(arguments), type(results).__name__))
        if len(results) != len(arguments):
            raise ValueError("batch handler returned %d results for %d payloads" % (len(results), len(arguments)))
        fans_out, pairs = self.settings.fans_out, zip(results, writers)  # noqa: B905 - Python 3.7
        answers = iter([_answer_one(result, write, fans_out) for result, write in pairs])
        request.finish_batch([next(answers) if frame is None else frame for frame in frames])

    def _prepare(self, envelope: dict[str, Any]) -> tuple[Any, Callable[[Any, int, int | None], bytes], Desk | None]:
        """Choose what the handler gets, how each of its outputs is written, and what its verbs work on.

        Outputs are written as soon as they are there, so that what a handler changes later does not reach them, and what
        the route was is read before the call, so that a handler may change its envelope in place.
        """
        if self.settings.mode == "payload":
            desk = Desk(envelope)
            return envelope["payload"], desk.write, desk
        before = json.loads(_ENCODER.encode(envelope["route"])) if self.settings.validate else None

        def write_envelope(value: Any, index: int, count: int | None) -> bytes:
            if self.settings.validate:
                try:
                    if not isinstance(value, dict):
                        raise ValueError("must be a dict, not %s" % type(value).__name__)
                    validate_envelope(value, before)
                except ValueError as exc:
                    place = "%d/%s" % (index, "?" if count is None else count)
                    raise ValueError("Invalid output envelope[%s]: %s" % (place, exc)) from None
            return encode_json(value)

        return envelope, write_envelope, None

    def _flush_streams(self) -> None:
        left = [request for request in list(self._running) if request.flush()]
        if left:
            self._linger.set_earlier(time.monotonic() + STREAM_LINGER_S)


class Desk:
    """Route and headers of the outputs of one call; its generator reads and changes them by the verbs GET, SET and DEL.

    Verbs, paths and who may write what are those of the original's 1.x (docs/reference/specs/abi-protocol.md there); read is
    also ``.payload``, and no envelope here has a ``.status`` to write.
    """

    def __init__(self, envelope: dict[str, Any]) -> None:
        self._envelope = envelope
        self._route = dict(envelope["route"])
        self._route["current"] = self._route.get("current", 0) + 1
        self._headers = envelope.get("headers")
        self._has_headers = "headers" in envelope
        self._write_rest()

    def _write_rest(self) -> None:
        self._rest = b',"route":' + encode_json(self._route)
        if self._has_headers:
            self._rest += b',"headers":' + encode_json(self._headers)

    def write(self, value: Any, index: int, count: int | None) -> bytes:
        """Write one output."""
        return b'{"payload":' + encode_json(value, "" if count == 1 else "[%d]" % index) + self._rest + b"}"

    def do(self, verb: str, path: Any, value: Any = None) -> Any:
        """Carry out GET, SET or DEL.

        Raises:
            ValueError, TypeError: There is no such path, or what is set does not fit; the text says what does.
        """
        keys = _read_path(path)
        actors, current = self._route["actors"], self._route["current"]
        route = {"prev": actors[: current - 1], "curr": actors[current - 1], "next": actors[current:]}
        readable = {name: self._envelope.get(name) for name in ("id", "parent_id", "status", "payload")}
        readable.update(route=route, headers=self._headers or {})
        document = json.loads(
            _ENCODER.encode({name: readable[name] for name in keys[:1] if name in readable})
        )  # a copy
        if verb != "GET" and keys[:2] != ["route", "next"] and keys[0] != "headers":
            raise ValueError("yield %r, %r: only .route.next and .headers can be changed" % (verb, path))
        if verb != "SET" and any(isinstance(key, slice) for key in keys):
            raise ValueError("yield %r, %r: a range can only be set" % (verb, path))
        try:
            node: Any = document
            for key in keys[:-1]:
                node = node[key]
            if verb == "GET":
                return node[keys[-1]]
            if verb == "SET":
                node[keys[-1]] = json.loads(encode_json(value))
            elif len(keys) == 1 + (keys[0] == "route"):
                node[keys[-1]] = type(node[keys[-1]])()  # all of it
            else:
                del node[keys[-1]]
        except (LookupError, TypeError) as exc:
            raise ValueError(
                "yield %r, %r: there is no such place (%s: %s)" % (verb, path, type(exc).__name__, exc)
            ) from None
        headers, left = document.get("headers", self._headers), document.get("route", route)["next"]
        if not isinstance(headers, (dict, type(None))):
            raise TypeError("yield 'SET', '.headers': headers are a dict, not %s" % type(headers).__name__)
        if not isinstance(left, list) or not all(isinstance(actor, str) and actor for actor in left):
            raise TypeError("yield 'SET', %r: .route.next is a list of names of actors" % path)
        self._route = dict(self._route, actors=actors[:current] + left)
        self._headers, self._has_headers = headers, self._has_headers or bool(headers)
        self._write_rest()
        return None


_PATH = re.compile(r'\.([A-Za-z_][\w-]*)|\["([^"]+)"\]|\[(-?\d+)\]|\[(-?\d*):(-?\d*)\]')


def _read_path(path: Any) -> list[Any]:
    """Cut ``.route.next[:0]`` into keys, indexes and ranges."""
    keys: list[Any] = []
    at = 0
    while isinstance(path, str) and path.startswith(".") and at < len(path):
        found = _PATH.match(path, at)
        if found is None:
            break
        name, quoted, index, start, stop = found.groups()
        key: Any = name or quoted
        if key is None:
            bounds = slice(int(start) if start else None, int(stop) if stop else None) if index is None else None
            key = int(index) if bounds is None else bounds
        keys.append(key)
        at = found.end()
    if not keys or at < len(path):
        raise ValueError(
            '%r is no path like .headers.name, .headers["a.b"], .route.next[0] or .route.next[:0]' % (path,)
        )
    return keys


def _write_piece(value: Any) -> bytes:
    body = encode_json(value)
    if len(body) > PIECE_BYTES:
        raise ValueError("a piece of %d bytes is over the limit of %d: yield less at a time" % (len(body), PIECE_BYTES))
    return body


def _write_result(result: Any, write: Callable[[Any, int, int | None], bytes], fans_out: bool) -> list[bytes]:
    """Write what a handler returned: nothing, one output, or a list of them."""
    if result is None:
        return []
    if fans_out and isinstance(result, (list, tuple)):
        return [write(value, index, len(result)) for index, value in enumerate(result)]
    if isinstance(result, types.CoroutineType):
        result.close()  # else Python warns that nobody awaited it
    return [write(result, 0, 1)]


def _answer_one(result: Any, write: Callable[[Any, int, int | None], bytes], fans_out: bool) -> bytes:
    """Write the final frame for one result of a batch; an exception object fails that one only."""
    if isinstance(result, BaseException):
        return b"[" + error_item("processing_error", result) + b"]"
    try:
        body = b"[" + b",".join(_write_result(result, write, fans_out)) + b"]"
        if len(body) > MAX_FRAME_BYTES:
            raise ValueError("handler result of %d bytes is over the limit of %d bytes" % (len(body), MAX_FRAME_BYTES))
    except Exception as exc:  # noqa: BLE001 - its own failure, not its neighbours'
        return b"[" + error_item("processing_error", exc) + b"]"
    return body


def _drop(sock: socket.socket) -> None:
    try:
        os.close(sock.detach())
    except OSError:
        pass


def _about(envelopes: list[dict[str, Any]]) -> dict[str, Any]:
    """What log records say of a call; of a batch the ids of ten, and the rest of the first."""
    route, headers = (found if isinstance(found, dict) else {} for found in map(envelopes[0].get, ("route", "headers")))
    actors, hop, trace = route.get("actors"), route.get("current", 0), str(headers.get("traceparent", "")).split("-")
    actor = actors[hop] if isinstance(actors, list) and isinstance(hop, int) and 0 <= hop < len(actors) else ""
    ids = ",".join(_printable(each.get("id")) for each in envelopes[:10])
    return dict(zip(_NO_CALL, (ids, actor, hop, headers.get("x-asya-attempt", 1), "".join(trace[1:2]))))  # noqa: B905 - 3.7


def _printable(envelope_id: object) -> str:
    return ascii(envelope_id)[1:-1][:100] if isinstance(envelope_id, str) else "-"


def _is_hello(frame: bytes) -> bool:
    if len(frame) > 4096 or b'"asya"' not in frame:
        return False
    try:
        document = json.loads(frame.decode("utf-8"))
        offered = document["asya"]["protocol"] if set(document) == {"asya"} else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    return isinstance(offered, int) and offered >= PROTOCOL


def _read_head(frame: bytes) -> dict[str, Any]:
    try:
        head = json.loads(frame.decode("utf-8"))["asya"]
        if isinstance(head, dict):
            return head
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise FrameError('frame before an envelope is not of the form {"asya": {"timeout_s": 12.5}}')


def _read_timeout(head: dict[str, Any]) -> float | None:
    timeout_s = head.get("timeout_s")
    if timeout_s is None:
        return None
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)) or not timeout_s > 0:
        raise FrameError("timeout_s must be a number of seconds above 0")
    return float(min(timeout_s, LONGEST_TIMEOUT_S))


def _read_batch(head: dict[str, Any], largest: int | None) -> int:
    count = head.get("batch", 1)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= (largest or 1):
        raise FrameError("batch must be a number from 1 to %d" % (largest or 1))
    return count


def clear_folder(settings: Settings) -> None:
    """Make the socket folder, and remove what a killed predecessor left: nobody may think that we are ready.

    Raises:
        StartupError: It cannot be made, or something that is no socket is in the way.
    """
    try:
        os.makedirs(settings.socket_dir, exist_ok=True)
        for path in (settings.ready_path, settings.socket_path):
            if os.path.lexists(path):
                if stat.S_ISDIR(os.lstat(path).st_mode):
                    raise OSError("%s is a directory" % path)
                os.unlink(path)
    except OSError as exc:
        raise StartupError("ASYA_SOCKET_DIR=%s cannot be used: %s" % (settings.socket_dir, exc)) from None


def serve_as_init() -> None:
    """Be a small init where we are process 1 of a container, and return in a child that does the work.

    Nobody else there reaps the orphans of what a handler starts, and the kernel drops signals that process 1 does not
    handle. The parent forwards them, reaps, and ends as its child ends, which ends everything else in the container too. How
    that was, it notes for the sidecar, which sees a closed connection only.
    """
    if os.getpid() != 1:
        return
    note_end({})
    child = os.fork()
    if child:
        for name in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2"):
            signal.signal(getattr(signal, "SIG" + name), lambda number, _frame: os.kill(child, number))
    while child:
        pid, status = os.wait()
        if pid == child:
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
            note_end({"exit_code": code} if os.WIFEXITED(status) else {"signal": os.WTERMSIG(status)})
            os._exit(code)


def note_end(end: dict[str, int]) -> None:
    """Write how the runtime ended, or that it has not yet, into the socket folder; where that fails, nobody knows."""
    path = os.path.join(os.environ.get("ASYA_SOCKET_DIR") or "/var/run/asya", END_NAME)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "wb") as file:
            file.write(encode_json(end) if end else b"")
        os.replace(path + ".new", path)
    except OSError:
        pass


def load_watched(path: str) -> Callable[[Any], Any]:
    """Load the handler; where that takes long, every thread's stack is written once, and a child that it forks ends here.

    Raises:
        StartupError: As ``load_handler``.
    """
    pid = os.getpid()
    # In C, so that it speaks also where a module never releases the interpreter's lock.
    faulthandler.dump_traceback_later(TELL_LOADING_S, file=2)
    try:
        return load_handler(path)
    finally:
        if os.getpid() != pid:
            os._exit(1)
        faulthandler.cancel_dump_traceback_later()


def main() -> int:
    """Run until a signal ends it, and return the exit code."""
    serve_as_init()
    if os.path.dirname(os.path.realpath(__file__)) == os.path.realpath(sys.path[0]):
        sys.path.append(sys.path.pop(0))  # nothing that lies beside this file goes before the user's own modules
    set_up_logging(os.environ)
    try:
        settings = Settings(os.environ)
        clear_folder(settings)
        logger.info("handler=%s mode=%s validation=%s", settings.handler, settings.mode, settings.validate)
        handler = load_watched(settings.handler)
        if "--check" in sys.argv[1:]:
            return 0
        server = Server(settings, handler)
        server.listen()
    except StartupError as exc:
        logger.critical("%s", exc)
        try:
            with open(os.open(TERMINATION_LOG, os.O_WRONLY), "wb") as file:  # only where a kubelet has made it
                file.write(str(exc).encode("utf-8", "replace")[:2000])
        except OSError:
            pass
        # The user's own code failed: where, is worth the lines. A wrong setting is one line.
        if exc.__cause__ is not None:
            logger.error("cause:", exc_info=exc.__cause__)
        return 1
    logger.info("ready on %s", settings.socket_path)
    server.serve()
    left = [thread.name for thread in threading.enumerate()[1:] if not thread.daemon]
    if left:
        logger.warning("threads that are no daemons keep the process from ending: %s", ", ".join(left))
    return 0


if __name__ == "__main__":
    sys.exit(main())
