"""The cluster of `make cluster`, as tests use it: kubectl with its kubeconfig, and waits that say what they saw last."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lab.cluster import choice

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".asya-cluster"
HINT = "no cluster: run `make cluster` first, or set KUBECONFIG_E2E to the kubeconfig of a cluster that may be used up"
COMMAND_TIMEOUT_S = 360.0  # More than any --timeout that tests give.
T = TypeVar("T")


def kubeconfig() -> Path | None:
    """The kubeconfig for e2e tests; none when there is no cluster."""
    named = os.environ.get("KUBECONFIG_E2E")
    path = Path(named) if named else FOLDER / "kubeconfig"
    return path if path.exists() else None


def host_ip() -> str:
    """This machine's address as pods see it."""
    return (FOLDER / "host-ip").read_text(encoding="utf-8").strip()


@dataclass(frozen=True, slots=True)
class Cluster:
    """kubectl for one cluster."""

    config: Path

    @property
    def command(self) -> list[str]:
        """The beginning of a kubectl command; without one on PATH, the cluster's parts bring their own."""
        return [shutil.which("kubectl") or str(choice.cache_folder() / "bin/kubectl"), "--kubeconfig", str(self.config)]

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl and return what it printed; on failure its own words are the assertion's."""
        done = subprocess.run(
            [*self.command, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr or done.stdout}"
        return done.stdout if check else done.stdout + done.stderr

    def apply(self, *objects: dict[str, Any], namespace: str | None = None) -> None:
        """Server-side apply objects."""
        scope = ["-n", namespace] if namespace else []
        text = yaml.safe_dump_all(objects)
        self.kubectl("apply", "--server-side", "--force-conflicts", *scope, "-f", "-", stdin=text)

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        """One object; none when it does not exist."""
        text = self.kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        return dict(json.loads(text)) if text else None

    @contextlib.contextmanager
    def watching(self, kind: str, name: str, namespace: str) -> Iterator[Callable[[], list[dict[str, Any]]]]:
        """Follow one object; the function yielded returns every state that it had since, once it is gone."""
        argv = [*self.command, "get", kind, name, "-n", namespace, "-o", "json"]
        with subprocess.Popen([*argv, "--watch", "--output-watch-events"], stdout=subprocess.PIPE, text=True) as watch:
            assert watch.stdout is not None
            events = map(json.loads, watch.stdout)  # one in each line
            first = next(events)
            seen = [first["object"]]

            def until_gone() -> list[dict[str, Any]]:
                for event in events:
                    seen.append(event["object"])
                    if event["type"] == "DELETED":
                        break
                return seen

            try:
                yield until_gone
            finally:
                watch.terminate()

    def items(self, kind: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind in a namespace."""
        chosen = ["-l", selector] if selector else []
        return list(json.loads(self.kubectl("get", kind, "-n", namespace, *chosen, "-o", "json"))["items"])

    def status(self, actor: str, namespace: str) -> dict[str, Any]:
        """An actor's status."""
        found = self.get("asyncactor", actor, namespace)
        return dict((found or {}).get("status") or {})


def eventually(look: Callable[[], T], holds: Callable[[T], bool], timeout_s: float, what: str) -> T:
    """Look again and again until it holds; a look that fails, as on a busy API server, is repeated too.

    Raises:
        AssertionError: It did not in time; holds what was seen last.
    """
    ends = time.monotonic() + timeout_s
    while True:
        last: object
        try:
            seen = last = look()
            if holds(seen):
                return seen
        except AssertionError as exc:
            last = exc
        assert time.monotonic() < ends, f"{what}: not within {timeout_s:g}s; last seen: {last!r}"
        time.sleep(0.5)
