"""Checks that files and functions stay small enough to read in one sitting.

Hard stops: 500 lines for a source file, 800 for a test file, 100 for a function. Functions over 60 lines are listed,
not refused. An exception needs a reason, here.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lab.checkout import ROOT
from tools.tree import is_source, report, repository_files

SOURCE_LINES: Final = 500
TEST_LINES: Final = 800
FUNCTION_LINES: Final = 60
FUNCTION_STOP: Final = 100

EXCEPTIONS: Final[dict[str, tuple[int, str]]] = {
    "components/runtime/asya_runtime.py": (1850, "injected into foreign images as one file, so it cannot be cut"),
}
"""Path, its own limit, and why."""


def functions(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, first line and length of every function of a file, docstring and decorators not counted."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body[0]
            yield node.name, node.lineno, (node.end_lineno or first.lineno) - first.lineno + 1


def main() -> None:
    """Measure every Python file of the repository."""
    problems: list[str] = []
    long_functions: list[str] = []
    files = [path for path in repository_files(".py") if is_source(path) or path.parts[0] == "tests"]
    for path in files:
        limit, _ = EXCEPTIONS.get(path.as_posix(), (SOURCE_LINES if is_source(path) else TEST_LINES, ""))
        lines = (ROOT / path).read_text(encoding="utf-8").count("\n")
        if lines > limit:
            problems.append(f"{path}: {lines} lines, the limit is {limit}: cut it along its nouns")
        for name, line, length in functions(path):
            if length > FUNCTION_STOP:
                problems.append(f"{path}:{line}: {name} has {length} lines, the limit is {FUNCTION_STOP}")
            elif length > FUNCTION_LINES:
                long_functions.append(f"{path}:{line}: {name} has {length} lines")
    for text in long_functions:
        print(f"sizes: could be shorter: {text}")
    report("sizes", problems, f"{len(files)} files")


if __name__ == "__main__":
    main()
