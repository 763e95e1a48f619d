"""The mesh's gateway: one process beside the actors, started, watched and ended by the supervisor.

It gets the broker and the store of the mesh, a database in the mesh's folder and two tokens made there: one for whoever owns
the folder (``gateway-token``), one that sidecars may report with and do nothing else. It starts before the actors and ends
after them, so that no report of theirs is lost.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from asya_local.backoff import RestartPolicy
from asya_local.errors import MeshError
from asya_local.log_cause import explain_log
from asya_local.probe import get
from asya_local.processes import MARKER, Launcher, ProcessSpec, RunningProcess, own_python
from asya_local.replica import Child
from asya_local.state import Request, StateFolder
from asya_manifest.tools import Tool, read_tools
from asya_protocol import names

log: Final = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
"""Loopback only: a developer's mesh is not for other machines."""
TOOL_FILES: Final = ("tools.yaml", "tools.yml")
"""Looked for beside the manifests."""
START_LIMIT_S: Final = 120.0
GIVE_UP: Final = 5
"""Deaths in a row from which on a start counts as failed: a port that its predecessor still holds is free by then."""
STOP_LIMIT_S: Final = 12.0
"""Its own drain takes 10 s at most."""
_POLL_S: Final = 0.05
_OURS: Final = "ASYA_"
_CALLBACKS: Final = "ASYA_GATEWAY_CALLBACK"
"""Of our own variables those that nobody but who starts the mesh can know: secrets, and where callbacks may go."""


class Gateway:
    """The gateway of one mesh.

    Args:
        state: The mesh's folder.
        launcher: Starts processes.
        environ: What its process inherits; of our own variables in it those of callbacks.
    """

    def __init__(self, state: StateFolder, launcher: Launcher, environ: Mapping[str, str]) -> None:
        self._state = state
        self._launcher = launcher
        self._environ = environ
        self._child: Child | None = None
        self._ending = False
        self.url = ""

    @property
    def message(self) -> str:
        """What a person should know of it, else empty."""
        if self._child is None or self._child.failures < 2:
            return ""
        return f"the gateway keeps dying: {explain_log(self._child.spec.log) or 'it says nothing'}"

    @property
    def process(self) -> RunningProcess | None:
        """Its process, while it runs."""
        return None if self._child is None else self._child.process

    def place(self, request: Request) -> None:
        """Decide where it listens, as a request has it; what runs stays as it is."""
        if not request.gateway:
            self.url = ""
        elif not self.url or (request.gateway_port and not self.url.endswith(f":{request.gateway_port}")):
            self.url = f"http://{HOST}:{_choose_port(self._state, request.gateway_port)}"

    def follow(self, request: Request, broker_env: Mapping[str, str]) -> None:
        """Run as a request has it: started, restarted where something has changed, or not at all."""
        self.place(request)
        if not request.gateway:
            self.stop()
            return
        spec = self._spec(request, broker_env)
        self._ending = False
        if self._child is None:
            self._child = Child(spec, self._launcher, _nothing_to_prepare, RestartPolicy())
        elif spec != self._child.spec:
            log.info("gateway changed")
            self._child.spec = spec
            self._child.renew()

    def sidecar_env(self) -> dict[str, str]:
        """What leads the sidecars' reports to it."""
        if not self.url:
            return {}
        return {"ASYA_GATEWAY_URL": self.url, "ASYA_GATEWAY_TOKEN": self._state.gateway_tokens().report}

    def tick(self, now_s: float) -> None:
        """Keep it running, or collect its end."""
        if self._child is None:
            return
        if self._ending:
            if self._child.ended():
                self._child = None
            return
        death = self._child.keep_running(now_s)
        if death is not None:
            log.warning("gateway died", extra={"exit_code": death.exit_code, "restart_in_s": round(death.pause_s, 3)})

    async def until_ready(self) -> None:
        """Wait until it answers, where it is to run; one that gives way to a new one is not asked.

        Raises:
            MeshError: It does not; with what its log says.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + START_LIMIT_S
        while self._child is not None and not self._ending:
            self.tick(loop.time())
            if self._child.process is not None and not self._child.renewing and await _answers(self.url):
                return
            if self._child.failures >= GIVE_UP or loop.time() > deadline_s:
                raise MeshError(f"the gateway does not start: {explain_log(self._child.spec.log)}")
            await asyncio.sleep(_POLL_S)

    def stop(self) -> None:
        """Ask it to end."""
        self._ending = True
        if self._child is not None and self._child.process is not None:
            self._child.process.terminate()

    async def close(self) -> None:
        """End it, by force where it does not end by itself."""
        self.stop()
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + STOP_LIMIT_S
        while self._child is not None and loop.time() < deadline_s:
            self.tick(loop.time())
            await asyncio.sleep(_POLL_S)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self._child is not None and self._child.process is not None:
            self._child.process.kill_group()

    def _spec(self, request: Request, broker_env: Mapping[str, str]) -> ProcessSpec:
        self._state.gateway_tokens()  # the file that the process reads
        tools = _tools_path(self._state, request)
        env = {
            **{name: value for name, value in self._environ.items() if _is_inherited(name)},
            **broker_env,
            "ASYA_GATEWAY_HOST": HOST,
            "ASYA_GATEWAY_PORT": self.url.rpartition(":")[2],
            "ASYA_GATEWAY_TOKENS_FILE": str(self._state.gateway_tokens_file),
            "ASYA_GATEWAY_ACTORS": f"mesh:{self._state.home / 'status.json'}",
            "ASYA_GATEWAY_MARKED_REPORTS": "true",  # all processes of this mesh are of one version
            "ASYA_GATEWAY_TOOLS_RELOAD": "500ms",  # whoever edits a tool file here waits for it
            "ASYA_GATEWAY_SAMPLE_EVERY": "5s",  # an hour of charts: the status is of this second, and costs nothing
            "ASYA_DATABASE_URL": f"sqlite:{self._state.home / 'gateway.db'}",
            **({"ASYA_CONFIG_PATH": str(tools)} if tools is not None else {}),
            MARKER: self._state.mesh_id,
        }
        return ProcessSpec(
            role="gateway",
            actor="",
            argv=(*own_python(), "-m", "asya_gateway"),
            env=env,
            cwd=self._state.home,
            log=self._state.logs / "gateway" / "gateway.log",
            # Asked, not killed: streams that are open get their end.
            with_parent=signal.SIGTERM,
        )


def find_tool_files(manifests: Sequence[Path]) -> list[Path]:
    """Find the tool files beside manifests: in a folder that is one of them, and in the folder of each file."""
    folders = dict.fromkeys(path if path.is_dir() else path.parent for path in manifests)
    return [path for folder in folders for name in TOOL_FILES if (path := folder / name).is_file()]


def check_tools(request: Request, actors: set[str]) -> list[str]:
    """Read the tools that a request leads to; what a person should know of them.

    Raises:
        InvalidTools: A tool file breaks a rule; names the file and the place in it.
    """
    if not request.gateway:
        return []
    known: dict[str, Tool] = {}
    for path in request.tools:
        known |= read_tools(Path(path))
    strangers = {
        tool.name: absent
        for tool in known.values()
        if (absent := [actor for actor in tool.route if actor not in actors | {names.FAN_IN}])
    }
    return [f"tool {name} goes through {', '.join(absent)}, not in this mesh" for name, absent in strangers.items()]


def _tools_path(state: StateFolder, request: Request) -> Path | None:
    """The one path that the gateway takes: the file or folder itself, or a folder with links to several files."""
    paths = [Path(path) for path in request.tools]
    if len(paths) <= 1:
        return paths[0] if paths else None
    folder = state.home / "tools"
    folder.mkdir(exist_ok=True)
    for link in folder.iterdir():
        link.unlink()
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    for number, file in enumerate(files):
        if file.suffix in (".yaml", ".yml"):
            (folder / f"{number:03}-{file.name}").symlink_to(file)
    return folder


def _choose_port(state: StateFolder, wanted: int | None) -> int:
    """The port that was asked for, or the one of the mesh's last time if it is free, or any free one."""
    if wanted:
        return wanted
    path = state.home / "gateway-port"
    port = 0
    try:
        port = int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        log.debug("no port remembered")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])
    path.write_text(f"{port}\n", encoding="utf-8")
    return port


def _is_inherited(name: str) -> bool:
    return not name.startswith(_OURS) or name.startswith(_CALLBACKS)


async def _answers(url: str) -> bool:
    try:
        await asyncio.to_thread(get, url.removeprefix("http://"), "/health")
    except OSError:
        return False
    return True


def _nothing_to_prepare() -> None:
    """It needs no folder made ready."""
