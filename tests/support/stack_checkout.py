"""A checkout as `make up` sees it: a folder with Pulumi.yaml, and its state."""

from pathlib import Path

import pytest
import yaml

from tools.stack.run import Request, run


class Checkout:
    """A program in a folder of its own.

    Args:
        root: The folder.
        state: For its state.
        printed: What the engine says.
    """

    def __init__(self, root: Path, state: Path, printed: pytest.CaptureFixture[str]) -> None:
        self.root, self.state = root, state
        self._printed = printed

    def make(
        self, command: str, environment: str = "", profile: str = "", arguments: tuple[str, ...] = ()
    ) -> tuple[int, str]:
        """Run one command; returns its exit code and all that it said."""
        self._printed.readouterr()
        code = run(Request(command, environment, profile, arguments, root=self.root, state=self.state))
        said = self._printed.readouterr()
        return code, said.out + said.err

    def set(self, environment: str, **settings: object) -> None:
        """Change the shared settings, as an editor would."""
        path = self.root / f"Pulumi.{environment}.yaml"
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        content["config"] |= {f"asya:{key}": value for key, value in settings.items()}
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
