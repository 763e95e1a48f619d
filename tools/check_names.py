"""Refuses file names that say nothing, and words that must not reach a commit."""

import re
from typing import Final

from lab.checkout import ROOT
from tools.tree import report, repository_files

EMPTY_NAMES: Final = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "base", "stuff", "lib", "core"})
"""A file is named by its domain noun; a folder ``core`` holds one room's pure decisions and is fine."""

WORDS: Final[dict[str, str]] = {
    r"\b(TODO|FIXME|XXX|HACK)\b": "unfinished work belongs in an issue",
    r"#\s*noqa(?!:)": "a suppression names its code and gives a reason: # noqa: S603 - fixed argv",
    r"#\s*type:\s*ignore(?!\[)": "a suppression names its code: # type: ignore[code]",
    r"(?<![\w.~/-])/(?:root|home/\w+|Users/\w+)/": "a path of one machine",
}
"""Pattern, and why it is refused; this file and the lock are not searched."""

TEXT_SUFFIXES: Final = frozenset({".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".json", ""})
UNSEARCHED: Final = frozenset({"tools/check_names.py", "uv.lock", "LICENSE"})


def main() -> None:
    """Look at every name and every text of the repository."""
    problems: list[str] = []
    files = repository_files()
    for path in files:
        if path.suffix == ".py" and path.stem in EMPTY_NAMES:
            problems.append(f"{path}: the name {path.stem!r} says nothing; name the noun it is about")
        if path.suffix not in TEXT_SUFFIXES or path.as_posix() in UNSEARCHED:
            continue
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            problems += [
                f"{path}:{number}: {match[0]!r}: {why}"
                for pattern, why in WORDS.items()
                for match in [re.search(pattern, line)]
                if match
            ]
    report("names", problems, f"{len(files)} files")


if __name__ == "__main__":
    main()
