"""What helps where a package is missing."""

from pathlib import Path

import pytest

from asya_local.interpreter import Interpreter
from asya_local.missing_package import install_words, with_cure

PYTHON = Interpreter("/env/bin/python", "the activated environment")
MISSING = "importing ocr failed: ModuleNotFoundError: No module named 'torch.nn', at /app/ocr.py:1"


def test_the_python_that_looked_and_the_command_that_installs(tmp_path: Path) -> None:
    told = f"{MISSING}; /env/bin/python (the activated environment) looked for it: /env/bin/python -m pip install "
    assert with_cure(MISSING, PYTHON, tmp_path) == f"{told}torch"
    (tmp_path / "requirements.txt").touch()
    assert with_cure(MISSING, PYTHON, tmp_path) == f"{told}-r requirements.txt"


@pytest.mark.parametrize("words", ["", "SyntaxError: invalid syntax", "could not import module claen"])
def test_other_failures_stay_as_they_are(words: str, tmp_path: Path) -> None:
    assert with_cure(words, PYTHON, tmp_path) == words


def test_without_pip_an_environment_beside_the_code_is_made() -> None:
    words = install_words("torch", "/uv/python", listed=False, has_pip=False)
    assert words == "python3 -m venv .venv && .venv/bin/python -m pip install torch, then asya local up again"
