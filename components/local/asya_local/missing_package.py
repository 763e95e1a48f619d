"""What helps where a handler cannot be loaded because a package is missing: which Python looked, and how to install it."""

import importlib.util
import re
import sys
from pathlib import Path
from typing import Final

from asya_local.interpreter import Interpreter

REQUIREMENTS: Final = "requirements.txt"
_MISSING: Final = re.compile(r"ModuleNotFoundError: No module named '(\w+)")


def with_cure(words: str, python: Interpreter, folder: Path) -> str:
    """Add to the words of a handler's failure what helps, where a package is missing; else they stay as they are.

    Args:
        words: As its runtime said them.
        python: The interpreter that looked.
        folder: Of the handler's code.
    """
    missing = _MISSING.search(words)
    if missing is None:
        return words
    has_pip = python.path != sys.executable or importlib.util.find_spec("pip") is not None
    listed = (folder / REQUIREMENTS).is_file()
    return f"{words}; {python} looked for it: {install_words(missing[1], python.path, listed=listed, has_pip=has_pip)}"


def install_words(package: str, python: str, *, listed: bool, has_pip: bool) -> str:
    """Write the command that installs what is missing. Pure.

    Args:
        package: The name that is imported; packages of another name exist.
        python: Program of the interpreter.
        listed: Whether the folder of the code has a list of its packages.
        has_pip: Whether that interpreter can install anything; else an environment beside the code does, which is found.
    """
    what = f"-r {REQUIREMENTS}" if listed else package
    if has_pip:
        return f"{python} -m pip install {what}"
    return f"python3 -m venv .venv && .venv/bin/python -m pip install {what}, then asya local up again"
