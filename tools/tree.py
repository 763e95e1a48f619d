"""Lists the files of the repository, and prints what a check found.

Every ``tools/check_*.py`` runs as ``python -m tools.check_x`` from the root; exit code 1 means that it found something.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from lab.checkout import ROOT

_SOURCE_ROOMS: Final = ("components", "infra", "tools", "lab", "examples", "bench")
_SKIPPED: Final = frozenset({"__pycache__", "node_modules", "build", "dist"})


def repository_files(suffix: str = "") -> list[Path]:
    """List the files that git tracks or would track, relative to the root; the folder itself where there is no git."""
    argv = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode == 0:
        paths = [Path(name) for name in listing.stdout.split("\0") if name]
    else:
        paths = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
    return sorted(path for path in paths if _is_ours(path) and path.name.endswith(suffix) and (ROOT / path).is_file())


def _is_ours(path: Path) -> bool:
    return not any(part in _SKIPPED or (part.startswith(".") and part != ".ci") for part in path.parts)


def is_source(path: Path) -> bool:
    """Whether a file is code that ships or drives the repository, not a test or a text."""
    return path.suffix == ".py" and path.parts[0] in _SOURCE_ROOMS


def report(check: str, problems: Iterable[str], summary: str) -> None:
    """Print what a check found and end the process with 1 if that was anything."""
    found = list(problems)
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"{check}: {f'{len(found)} to mend' if found else summary}")
    sys.exit(1 if found else 0)


def write_or_compare(page: Path, text: str, *, check: bool, command: str) -> None:
    """Write a generated page, or with ``check`` end the process with 1 when the page differs from its source."""
    shown = page.relative_to(ROOT)
    if not check:
        page.write_text(text, encoding="utf-8")
        print(f"{shown}: written")
    elif not page.exists() or page.read_text(encoding="utf-8") != text:
        print(f"{shown}: differs from the code it is made from; run: {command}", file=sys.stderr)
        sys.exit(1)
    else:
        print(f"{shown}: agrees with the code")


def write_all(files: Iterable[tuple[Path, str]], told: str | None) -> None:
    """Be a command that writes generated files; with ``--check`` it only compares.

    Args:
        files: Each with its text.
        told: What ``--help`` says.
    """
    parser = argparse.ArgumentParser(description=told)
    parser.add_argument("--check", action="store_true", help="exit with 1 when a file differs")
    check = parser.parse_args().check
    for path, text in files:
        write_or_compare(path, text, check=check, command="make docs")


def write_between(page: Path, begin: str, end: str, lines: Iterable[str], told: str | None) -> None:
    """Be a command that writes what stands between two markers of a page; with ``--check`` it only compares.

    Args:
        page: The rest of it is written by hand.
        begin: The marker before.
        end: The marker after.
        lines: What is to stand there, the empty lines beside the markers among them.
        told: What ``--help`` says.
    """
    parser = argparse.ArgumentParser(description=told)
    parser.add_argument("--check", action="store_true", help="exit with 1 when the page differs")
    check = parser.parse_args().check
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        report(page.stem, [f"{page.relative_to(ROOT)}: needs the markers {begin} and {end}, in this order"], "")
    write_or_compare(page, "\n".join([before + begin, *lines, end + after]), check=check, command="make docs")
