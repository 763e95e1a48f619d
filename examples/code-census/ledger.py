"""The demo's own account: how many envelopes there must be, and what became of each, read from the store.

It trusts neither the actors nor the mesh: the number of files is counted here in another way, ids are built from the
documented rule (the first fan-out child keeps its parent's id, the others are ``<id>-1``, ``<id>-2``, ...), and a failed
file is parsed again.
"""

import ast
import json
import os
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from census import BROKEN_ON_PURPOSE, SKIPPED, TESTS

from asya_process.settings import read
from asya_store.factory import open_store
from asya_store.settings import Prefixes


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the envelopes.

    Attributes:
        sent: How many there must be.
        succeeded: Payloads that reached happy-end, by id.
        failed: Payloads that reached error-end, by id.
        lost: Ids that nobody has.
        unexpected: What should not be there: ids nobody sent, ids at both ends, files that failed though they parse.
    """

    sent: int
    succeeded: Mapping[str, Any]
    failed: Mapping[str, Any]
    lost: list[str]
    unexpected: list[str]

    @property
    def balanced(self) -> bool:
        """Whether every envelope has exactly one end and the error path was taken for real."""
        return not self.lost and not self.unexpected and len(self.succeeded) + len(self.failed) == self.sent


class Results:
    """What the crew has persisted."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        store = open_store(environment)
        if store is None:
            raise ValueError("the mesh has no store to read results from")
        self._store = store
        prefixes = read(Prefixes, environment)
        self._prefixes = (prefixes.results, prefixes.errors)

    def count(self) -> tuple[int, int]:
        """Count successes and failures."""
        happy, error = (len(self._keys(prefix)) for prefix in self._prefixes)
        return happy, error

    def read(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read every object: successes and failures, by id."""
        with ThreadPoolExecutor(4) as pool:
            happy, error = (list(pool.map(self._envelope, self._keys(prefix))) for prefix in self._prefixes)
        return {item["id"]: item for item in happy}, {item["id"]: item for item in error}

    def _keys(self, prefix: str) -> list[str]:
        # The objects named by an envelope's id; the dated copies lie in folders below.
        return [key for key in self._store.list(prefix) if "/" not in key.removeprefix(prefix)]

    def _envelope(self, key: str) -> Any:
        return json.loads(self._store.get(key) or b"null")


def count_files(root: Path, limit: int, extra: int) -> int:
    """Count the files that ``modules`` must find."""
    count = extra
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED]
        is_test = bool(TESTS.intersection(Path(folder).relative_to(root).parts))
        for name in files:
            path = Path(folder, name)
            wanted = not is_test or any(path.match(pattern) for pattern in BROKEN_ON_PURPOSE)
            count += name.endswith(".py") and wanted
    return min(count, limit)


def parses(path: Path) -> bool:
    """Whether a file is valid Python for this interpreter."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return False
    return True


def broken_files(root: Path) -> list[Path]:
    """Find the files of an installation that are broken on purpose and do not parse."""
    found = (
        path
        for pattern in BROKEN_ON_PURPOSE
        for path in root.glob(pattern.replace("tokenizedata", "test/tokenizedata"))
    )
    return [path for path in found if not parses(path)]


def settle(sent: int, first_id: str, happy: Mapping[str, Any], error: Mapping[str, Any]) -> Account:
    """Hold what was found against what was sent."""
    expected = {first_id, *(f"{first_id}-{number}" for number in range(1, sent))}
    found = happy.keys() | error.keys()
    unexpected = [f"{name}: nobody sent it" for name in sorted(found - expected)]
    unexpected += [f"{name}: at both ends" for name in sorted(happy.keys() & error.keys())]
    unexpected += [f"{name}: {path} failed though it parses" for name, path in _paths(error) if parses(Path(path))]
    paths = [path for _, path in (*_paths(happy), *_paths(error))]
    unexpected += [f"{path}: processed twice" for path in sorted({path for path in paths if paths.count(path) > 1})]
    return Account(sent, happy, error, sorted(expected - found), unexpected)


def _paths(objects: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, item in objects.items():
        payload = item["payload"]
        # error-end keeps what the failing actor was given beside the error.
        yield name, (payload.get("original_payload") or payload).get("path", "")
