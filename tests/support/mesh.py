"""A real local mesh, as a test uses it: it always comes down."""

import contextlib
import itertools
import json
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from asya_local import mesh
from asya_local.processes import MARKER
from asya_protocol import names
from asya_transport.factory import open_transport
from asya_transport.settings import read_transport_settings
from lab.waits import wait_until

POLL_S = 0.05
PROGRAMS = {"sidecar": "asya_sidecar", "runtime": "asya_runtime.py", "broker": "asya_transport.memory.server", "": ""}


class RunningMesh:
    """A real mesh, as a test uses it."""

    def __init__(self, options: mesh.UpOptions) -> None:
        self.options = options
        self.home = options.home
        self.said: list[str] = []

    def up(self, **changes: Any) -> mesh.MeshInfo:
        if changes:
            fields = {name: getattr(self.options, name) for name in self.options.__slots__}
            self.options = mesh.UpOptions(**{**fields, **changes})
        return mesh.up(self.options, self.said.append)

    def down(self) -> bool:
        return mesh.down(self.home, self.said.append)

    def actor(self, name: str) -> mesh.ActorStatus | None:
        return next((actor for actor in mesh.status(self.home).actors if actor.name == name), None)

    def until(self, what: Callable[[mesh.ActorStatus], bool], actor: str, limit_s: float = 180.0) -> mesh.ActorStatus:
        """Wait for an actor's state; fails with what it was last."""
        last: mesh.ActorStatus | None = None

        def holds() -> bool:
            nonlocal last
            last = self.actor(actor)
            return last is not None and what(last)

        wait_until(holds, limit_s, f"{actor} in another state", lambda: f"last {last}\n{self.logs()}", poll_s=POLL_S)
        assert last is not None
        return last

    async def send(
        self, actors: Sequence[str], payloads: Sequence[object], headers: Sequence[Mapping[str, object]] = ()
    ) -> list[str]:
        """Send one envelope per payload, with the headers at its place, to the first actor; return their ids."""
        ids = []
        async with self._transport() as transport:
            for payload, its in itertools.zip_longest(payloads, headers):
                envelope = {
                    "id": uuid.uuid4().hex,
                    "route": {"actors": list(actors), "current": 0},
                    "headers": dict(its or {}),
                    "payload": payload,
                }
                await transport.send(names.QueueNames().queue(actors[0]), json.dumps(envelope).encode())
                ids.append(str(envelope["id"]))
        return ids

    @contextlib.asynccontextmanager
    async def _transport(self) -> AsyncIterator[Any]:
        info = mesh.find(self.home)
        assert info is not None, "the mesh is not up"
        environment = info.environment()
        with aws_credentials(environment):
            transport = open_transport(read_transport_settings(environment))
            await transport.connect()
            try:
                yield transport
            finally:
                await transport.close()

    def results(self, prefix: str = "happy-asya") -> dict[str, dict[str, Any]]:
        """Envelopes in the folder store by id."""
        folder = self.home / "results" / prefix
        found = (json.loads(path.read_text()) for path in folder.glob("*.json") if not path.name.startswith("."))
        return {envelope["id"]: envelope for envelope in found}

    def until_results(self, ids: Sequence[str], prefix: str = "happy-asya", limit_s: float = 240.0) -> dict[str, Any]:
        """Wait until all ids are in the folder store."""
        wait_until(
            lambda: set(ids) <= set(self.results(prefix)),
            limit_s,
            f"{len(ids)} results",
            lambda: f"{len(self.results(prefix))} are there; {mesh.status(self.home)}\n{self.logs()}",
            poll_s=POLL_S,
        )
        return self.results(prefix)

    def logs(self) -> str:
        """The end of every log, for a failure's message."""
        return "\n".join(map(str, mesh.logs(self.home, None, lines=20)))

    def processes(self, role: str = "", actor: str = "") -> list[psutil.Process]:
        """Living processes that carry the mesh's marker, of one role (``sidecar``, ``runtime``, ``broker``), of one actor."""
        marker = (self.home / "mesh-id").read_text()
        word = PROGRAMS[role]
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                environ = process.environ()
                its = not actor or {actor, f"{actor}.handle"} & set(environ.values())
                if environ.get(MARKER) == marker and its and word in " ".join(process.cmdline()):
                    found.append(process)
        return found


@contextlib.contextmanager
def aws_credentials(environment: Mapping[str, str]) -> Iterator[None]:
    """Credentials of an environment in this process for a while: boto3 looks for them nowhere else."""
    before = dict(os.environ)
    os.environ.update({name: value for name, value in environment.items() if name.startswith("AWS_")})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def running_mesh(options: mesh.UpOptions) -> Iterator[RunningMesh]:
    """A mesh that is taken down, and whose processes are gone, whatever the test does."""
    running = RunningMesh(options)
    try:
        yield running
    finally:
        running.down()
        leftovers = running.processes() if (running.home / "mesh-id").exists() else []
        shutil.rmtree(running.home, ignore_errors=True)
        assert not leftovers, f"left behind: {leftovers}"


def write_actor(folder: Path, name: str, code: str, **spec: Any) -> Path:
    """Write a handler module and its manifest; return the manifest.

    Args:
        folder: Where both go.
        name: The actor; its module is the name with ``_`` for ``-`` and its handler ``handle``.
        code: The module.
        spec: Sections of the spec; scaling is quick unless given.
    """
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(code)
    scaling = {"enabled": True, "maxReplicas": 4, "pollingInterval": "300ms", "cooldownPeriod": 1, "queueLength": 1}
    document = {
        "apiVersion": "asya.sh/v1alpha1",
        "kind": "AsyncActor",
        "metadata": {"name": name},
        "spec": {"transport": "memory", "handler": f"{module}.handle", "scaling": scaling, **spec},
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document))
    return path


def edit(path: Path, text: str) -> None:
    """Replace a file whole, as an editor does: a mesh that looks at it just then must not find half of it."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text)
    draft.replace(path)


def short_home(environ: Mapping[str, str] = os.environ) -> Path:
    """A name for a mesh folder outside of pytest's deep ones."""
    return Path(environ.get("TMPDIR", "/tmp")) / f"asya-test-{uuid.uuid4().hex[:8]}"
