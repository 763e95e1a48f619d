"""Checks the Markdown pages: what they name in backticks, link to or tell the reader to run must exist.

* a path (``components/...``, globs allowed) exists, and ``tests/x/test_y.py::test_name`` is defined there;
* a relative link leads to a file;
* ``make target`` is a target of the Makefile;
* code in a fence is run by a test, which names the page, unless it is marked as an excerpt (`bash excerpt`).
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lab.checkout import ROOT
from tools.tree import report, repository_files

CODE: Final = re.compile(r"`([^`\n]+)`")
LINK: Final = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
RUNNABLE: Final = re.compile(r"^```(?:bash|python|yaml|typescript)$", re.MULTILINE)
FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PATH: Final = re.compile(r"(?:components|infra|lab|tests|tools|docs|examples|bench|\.ci)/[\w./*\[\]{}-]*(?:::\w+)*$")
MAKE: Final = re.compile(r"^(?:\$ )?make ([a-z][a-z0-9-]*)")
TARGET: Final = re.compile(r"^([a-z][a-z0-9-]*):", re.MULTILINE)


def main() -> None:
    """Read every Markdown page of the repository."""
    makefiles = [ROOT / "Makefile", *sorted((ROOT / "tools").glob("*.mk"))]
    targets = {target for file in makefiles for target in TARGET.findall(file.read_text(encoding="utf-8"))}
    tests = "\n".join(
        (ROOT / path).read_text(encoding="utf-8") for path in repository_files(".py") if path.parts[0] == "tests"
    )
    problems: list[str] = []
    pages = repository_files(".md")
    for page in pages:
        text = (ROOT / page).read_text(encoding="utf-8")
        problems += [f"{page}: {problem}" for problem in page_problems(page, text, targets)]
        if RUNNABLE.search(text) and f'"{page}"' not in tests:
            problems.append(f"{page}: has code that no test runs; run it, or mark it as an excerpt")
    report("docs", problems, f"{len(pages)} pages")


def page_problems(page: Path, text: str, targets: set[str]) -> Iterator[str]:
    """Yield what a page says that is not so."""
    prose = FENCE.sub("", text)
    for span in CODE.findall(prose):
        if PATH.match(span):
            yield from path_problems(span)
    for target in LINK.findall(prose):
        if "://" not in target and not target.startswith("mailto:") and not (ROOT / page.parent / target).exists():
            yield f"links to {target}, which does not exist"
    commands = [*CODE.findall(prose), *(line for block in FENCE.findall(text) for line in block.splitlines())]
    for command in commands:
        for target in MAKE.findall(command):
            if target not in targets:
                yield f"says `make {target}`, which is no target"


def path_problems(span: str) -> Iterator[str]:
    """Yield what is wrong with a path written in backticks, a test's name behind ``::`` included."""
    name, _, test = span.partition("::")
    found = sorted(ROOT.glob(name.rstrip("/"))) if set("*[") & set(name) else [ROOT / name]
    if not found or not all(path.exists() for path in found):
        yield f"names `{name}`, which does not exist"
    elif test and test.split("::")[-1] not in test_names(found[0]):
        yield f"names the test `{span}`, which is not in that file"


def test_names(path: Path) -> set[str]:
    """Collect the names of a file's functions and classes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


if __name__ == "__main__":
    main()
