"""Runs the engine on one environment: finds it, prepares state and settings, and explains what fails."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from asya_infra.fetch import fetch, of_stack
from asya_infra.upstream import cached_path
from lab.checkout import ROOT
from lab.engine.find import find
from lab.errors import LabError
from tools.stack import accounts, clusters, environments, explain, quick_start, servers, settings_file
from tools.stack.errors import StackError
from tools.stack.state_folder import Place

_DOCKER_PATIENCE_S: Final = 20.0
_READ_SETTINGS: Final = frozenset({("refresh",), ("up",), ("preview",), ("destroy",)})
_YES: Final = frozenset({"--yes", "-y"})
_QUIET: Final = ("--non-interactive", "--suppress-permalink=true")


@dataclass(frozen=True, slots=True)
class Request:
    """One command.

    Attributes:
        command: ``up``, ``preview``, ``down`` or ``pulumi``.
        environment: ENV.
        profile: PROFILE.
        arguments: Further arguments of the engine.
        root: The folder with Pulumi.yaml.
        state: The folder for the state.
        cluster: The folder of `make cluster`.
    """

    command: str
    environment: str = ""
    profile: str = ""
    arguments: tuple[str, ...] = ()
    root: Path = ROOT
    state: Path = ROOT / ".pulumi-state"
    cluster: Path = ROOT / ".asya-cluster"


def run(request: Request) -> int:
    """Run it; returns the exit code.

    Raises:
        StackError: It cannot be run.
    """
    names = environments.known(path.name for path in request.root.glob("Pulumi.*.yaml"))
    name = environments.choose(request.environment, request.profile, names)
    if request.command == "down" and not Place(request.state).holds(name, os.environ):
        servers.stop(request.state / "servers" / name)
        print(f"stack: {name} is not up: nothing to remove", flush=True)
        return 0
    stack = _prepared(request, name)
    if request.command in {"up", "preview", "down"}:
        accounts.check_state(stack.preset, name, os.environ)
    if request.command == "down":
        code = stack.down(request.arguments)
        if code == 0:
            servers.stop(request.state / "servers" / name)
        return code
    if request.command == "pulumi":
        # Commands that read settings get the same ones as `make up`, or the engine would write into the shared file.
        given = stack.given() if request.arguments[:1] in _READ_SETTINGS else ["--stack", name]
        return stack.call([*request.arguments, *(given if request.arguments[:1] != ("version",) else [])])
    wanted = of_stack(request.root / f"Pulumi.{name}.yaml")
    if wanted is not None and not cached_path(wanted[0]).is_file() and fetch(*wanted) != 0:
        return 1  # the program itself downloads nothing
    stack.ensure()
    more = [*_QUIET, *stack.given(), *(each for each in request.arguments if each not in _YES)]
    if request.command == "preview":
        return stack.explained("preview", ["preview", *more])
    if accounts.must_ask(stack.preset, request.arguments):
        code = stack.explained("preview", ["preview", *more])
        if code != 0:
            return code
        accounts.ask(name, "make", terminal=sys.stdin.isatty())
        more.append("--skip-preview")
    return stack.explained("up", ["up", "--yes", *more])


def _prepared(request: Request, name: str) -> "_Stack":
    try:
        engine = find()
    except LabError as exc:
        raise StackError(str(exc)) from exc
    shared = _read(request.root / f"Pulumi.{name}.yaml")
    config = shared.get("config") or {}
    preset = str(config.get("asya:environment") or name)
    place = Place(request.state)
    settings = place.settings(name)
    known = _read(settings) if settings.exists() else {}
    chosen = clusters.Choice()
    beside = _beside_the_cluster(request, name)
    if beside and request.command in {"up", "preview"}:
        chosen = clusters.Choice({"KUBECONFIG": str(request.cluster / "kubeconfig")}, beside, clusters.CHECKOUT)
    elif request.command in {"up", "preview"}:
        before = str((known.get("config") or {}).get("asya:cluster", ""))
        here = _surroundings(request.cluster)
        chosen = clusters.choose(config, preset, here, profile=bool(request.profile), before=before)
    if chosen.told:
        print(f"stack: {name}, {chosen.told}", flush=True)
    environ = {**os.environ, **place.variables(os.environ), **chosen.environment}
    # Python from where make put it: the Python host of old engines looks on PATH only.
    environ["PATH"] = os.pathsep.join([str(engine), str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])
    environ["PULUMI_SKIP_UPDATE_CHECK"] = "true"
    environ.setdefault("PYTHONFAULTHANDLER", "1")  # A crash says where; the engine alone says "exit code: -1".
    given, before_that = {**config, **chosen.settings}, known.get("config") or {}
    made = settings_file.credentials(preset, given, before_that, lambda: secrets.token_hex(24))
    _write(settings, settings_file.merged(shared, known, {**made, **chosen.settings}))
    return _Stack(name, preset, request.root, settings, environ, str(engine / "pulumi"))


def _beside_the_cluster(request: Request, name: str) -> dict[str, Any]:
    """Settings that lead to the servers of an evaluation: those that run, started first for `make up PROFILE=...`."""
    folder = request.state / "servers" / name
    there = servers.running(folder)
    if there is None and request.profile and request.command == "up":
        host = request.cluster / "host-ip"
        if not host.exists():
            raise StackError(f"PROFILE={request.profile} runs in the cluster of `make cluster`, which is not up")
        there = servers.start(folder, host.read_text(encoding="utf-8").strip(), quick_start.NEEDS[name])
    return quick_start.settings(name, there) if there is not None else {}


@dataclass(frozen=True, slots=True)
class _Stack:
    name: str
    preset: str
    root: Path
    settings: Path
    environ: Mapping[str, str]
    pulumi: str

    def given(self) -> list[str]:
        """Options of every command on the stack."""
        return ["--stack", self.name, "--config-file", str(self.settings.resolve())]

    def call(self, arguments: Sequence[str]) -> int:
        """Run the engine with this terminal."""
        return subprocess.run([self.pulumi, *arguments], cwd=self.root, env=self.environ, check=False).returncode

    def explained(self, command: str, arguments: Sequence[str]) -> int:
        """Run the engine, showing all that it says; after a failure, say what it means and how to go on."""
        said: list[str] = []
        with subprocess.Popen(
            [self.pulumi, *arguments],
            cwd=self.root,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            while True:
                try:
                    for line in process.stdout or ():
                        said.append(line)
                        sys.stdout.write(line)
                        sys.stdout.flush()
                    break
                except KeyboardInterrupt:
                    # The engine got the same signal: it finishes what it is doing, and a second one would cut that off.
                    print("stack: the engine ends what it has begun; please wait", file=sys.stderr, flush=True)
            code = process.wait()
        if code != 0:
            output = "".join(said)
            for cause in explain.causes(output, self.name):
                print(f"stack: {cause}", file=sys.stderr)
            print(f"stack: {explain.how_to_go_on(command, self.name, output)}", file=sys.stderr)
        return code

    def exists(self) -> bool:
        """Whether the backend knows the stack."""
        done = self._quietly(["stack", "ls", "--json"], self.root)
        if done.returncode != 0:
            raise StackError(f"the backend cannot be asked for its stacks: {_last_line(done.stderr)}")
        listed = yaml.safe_load(done.stdout) or []
        return any(str(entry["name"]).rsplit("/", 1)[-1] == self.name for entry in listed)

    def ensure(self) -> None:
        """Make the stack, once."""
        if self.exists():
            return
        # In a folder of its own, because the engine writes the encryption of secrets into the settings file beside it.
        with tempfile.TemporaryDirectory(prefix="asya-stack-") as temporary:
            shutil.copyfile(self.root / "Pulumi.yaml", Path(temporary) / "Pulumi.yaml")
            done = self._quietly(["stack", "init", self.name, "--non-interactive"], Path(temporary))
            if done.returncode != 0:
                raise StackError(f"the stack {self.name} cannot be made: {_last_line(done.stderr)}")
            written = Path(temporary) / f"Pulumi.{self.name}.yaml"
            fresh = _read(written) if written.exists() else {}
        _write(self.settings, settings_file.merged(_read(self.settings), fresh, {}))

    def down(self, arguments: Sequence[str]) -> int:
        """Destroy what is there, then forget the stack."""
        if not self.exists():
            print(f"stack: there is no {self.name} to take down")
            self.settings.unlink(missing_ok=True)
            return 0
        if accounts.must_ask(self.preset, arguments):
            code = self.explained("preview", ["destroy", "--preview-only", *_QUIET, *self.given()])
            if code != 0:
                return code
            accounts.ask(self.name, "remove", terminal=sys.stdin.isatty())
        code = self.explained(
            "down", ["destroy", "--yes", *_QUIET, *self.given(), *(a for a in arguments if a not in _YES)]
        )
        if code == 0:
            code = self.call(["stack", "rm", self.name, "--yes", "--preserve-config", "--non-interactive"])
            self.settings.unlink(missing_ok=True)
        return code

    def _quietly(self, arguments: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
        argv = [self.pulumi, *arguments]
        return subprocess.run(argv, cwd=folder, env=self.environ, capture_output=True, text=True, check=False)


def _surroundings(cluster: Path) -> clusters.Surroundings:
    checkout = cluster / "kubeconfig"
    return clusters.Surroundings(
        variable=os.environ.get("KUBECONFIG", ""),
        checkout=str(checkout) if checkout.exists() else "",
        user=(Path.home() / ".kube/config").exists(),
        kind=shutil.which("kind") is not None and _docker_answers(),
    )


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        asked = subprocess.run([docker, "info"], capture_output=True, timeout=_DOCKER_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as exc:
        raise StackError(f"{path} is no YAML: {exc}") from exc
    if not isinstance(found, dict):
        raise StackError(f"{path} must hold settings by name, as `config:` does")
    return found


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # It may hold credentials: its owner's alone from the first moment.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yaml.safe_dump(dict(content), file, sort_keys=False)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else "it says nothing"
