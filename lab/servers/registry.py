"""A registry of container images on this machine, built from its Go module: what images are pushed to in tests."""

import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Final, Self

from lab.built_once import GO, built_once, pinned_folder
from lab.go import tool
from lab.servers.ports import free_port
from lab.waits import wait_until

VERSION: Final = "3.0.0"
_PACKAGE: Final = "github.com/distribution/distribution/v3/cmd/registry"
_SETTINGS: Final = """version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
START_TIMEOUT_S: Final = 60.0


def build() -> Path:
    """The registry's program, built if need be."""
    done = pinned_folder(f"registry-{VERSION}", (GO, Path(__file__)))
    return (
        built_once(done, lambda half, scratch: tool(scratch / "registry", _PACKAGE, VERSION, half / "registry"))
        / "registry"
    )


class Registry:
    """One registry on a free port, which keeps what is pushed in a folder.

    Args:
        folder: Of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"127.0.0.1:{free_port()}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        settings, log = self._folder / "settings.yaml", self._folder / "log"
        port = self.name.rpartition(":")[2]
        settings.write_text(_SETTINGS.format(folder=self._folder / "data", port=port), encoding="utf-8")
        with log.open("ab") as output:
            environment = os.environ | {"OTEL_TRACES_EXPORTER": "none"}
            argv = [str(build()), "serve", str(settings)]
            self._process = subprocess.Popen(argv, stdout=output, stderr=output, env=environment)
        wait_until(self._answers, START_TIMEOUT_S, "the registry answers", log.read_text)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"the registry ended:\n{(self._folder / 'log').read_text(encoding='utf-8')}")
        try:
            with urllib.request.urlopen(f"http://{self.name}/v2/", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


if __name__ == "__main__":
    print(build())
