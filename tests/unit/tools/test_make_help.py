"""``make help`` is the one list of commands."""

import re
import shutil
import subprocess

from lab.checkout import ROOT


def test_every_target_is_listed():
    files = [ROOT / "Makefile", *sorted((ROOT / "tools").glob("*.mk"))]
    targets = {
        name
        for file in files
        for line in re.findall(r"^\.PHONY: (.+)$", file.read_text(), re.M)
        for name in line.split()
    }
    shown = subprocess.run(
        [str(shutil.which("make")), "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert targets == set(re.findall(r"^  make (\S+)", shown, re.M))
