"""Where the state of this checkout's stacks is, and the passphrase that hides what is secret in it."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PASSPHRASE: Final = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


@dataclass(frozen=True, slots=True)
class Place:
    """The state's folder; `make clean` leaves it alone, because it is all that knows what was made."""

    folder: Path

    def settings(self, environment: str) -> Path:
        """The settings file that the engine is given."""
        return self.folder / f"Pulumi.{environment}.yaml"

    def holds(self, environment: str, environ: Mapping[str, str]) -> bool:
        """Whether a stack of this environment may be there: surely not where no state in this folder tells of one."""
        return bool(environ.get("PULUMI_BACKEND_URL")) or any(
            self.folder.glob(f".pulumi/stacks/**/{environment}.json*")
        )

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The backend and the passphrase, where the user names none; makes the folder and the passphrase's file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        found: dict[str, str] = {}
        if not environ.get("PULUMI_BACKEND_URL"):
            found["PULUMI_BACKEND_URL"] = self.folder.resolve().as_uri()
        if not any(name in environ for name in _PASSPHRASE):
            found["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(self._passphrase().resolve())
        return found

    def _passphrase(self) -> Path:
        path = self.folder / "passphrase"
        if not path.exists():
            # Never readable by others, not even for the moment before a chmod.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
        return path
