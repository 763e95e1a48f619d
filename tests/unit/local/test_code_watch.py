"""What counts as an edit of the code that a runtime has loaded, and what does not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asya_local.code_watch import LOOK_S, find_edited, forget_bytecode
from asya_local.plan import OBSERVED_RUNTIME


def write(path: Path, text: str = "x = 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def observe(folder: Path, code: str) -> Path:
    """Run code as ``asya_local`` runs the runtime; return the log of what it loaded. Its folder of modules is ``folder``."""
    log, program = folder.parent / "log", write(folder.parent / "runtime" / "program.py", code)
    log.unlink(missing_ok=True)  # as a replica does before each start
    environ = {**os.environ, "PYTHONPATH": str(folder), "ASYA_SOCKET_DIR": str(folder.parent)}
    subprocess.run([sys.executable, OBSERVED_RUNTIME, str(log), str(program)], env=environ, cwd=folder, check=True)
    return log


def edits(log: Path, folder: Path) -> set[str]:
    found, rest_s = find_edited([log], folder.parent / "volumes")
    assert rest_s >= LOOK_S
    return {str(path.relative_to(folder)) for path in found.get(log, [])}


@pytest.fixture(autouse=True, params=["kept", "not kept"])
def bytecode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python keeps what it compiles, unless it is told not to."""
    if request.param == "kept":
        monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    else:
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A folder of modules: ``a`` imports ``package.b``, and nobody ``test_a``."""
    folder = tmp_path / "code"
    write(folder / "a.py", "import package.b\n")
    write(folder / "package" / "__init__.py", "")
    write(folder / "package" / "b.py")
    write(folder / "test_a.py")
    return folder


def test_changed_and_removed_code_that_was_imported_is_an_edit_until_it_is_loaded_anew(code: Path):
    """Also where it was loaded from its compiled form."""
    for _ in range(2):
        log = observe(code, "import a\n")
        assert edits(log, code) == set()
    write(code / "a.py", "import package.b; x = 22\n")
    (code / "package" / "b.py").unlink()
    assert edits(log, code) == edits(log, code) == {"a.py", "package/b.py"}
    write(code / "package" / "b.py")
    assert edits(observe(code, "import a\n"), code) == set()


def test_a_file_that_is_replaced_within_the_same_tick_of_the_clock_is_an_edit(code: Path):
    """As editors write: a new file of the same size and time takes the old one's place."""
    log = observe(code, "import package.b\n")
    old = code / "package" / "b.py"
    new = write(code / ".b.py.swp", "x = 2\n")
    stat = old.stat()
    os.utime(new, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    new.replace(old)
    assert edits(log, code) == {"package/b.py"}


def test_code_that_nobody_imports_is_no_edit(code: Path):
    """Tests and scripts beside the handler, new files, other kinds of files."""
    log = observe(code, "import a\n")
    write(code / "test_a.py", "x = 22\n")
    write(code / "script.py")
    write(code / "a.txt")
    assert edits(log, code) == set()


def test_code_is_loaded_whenever_it_is_imported_and_configuration_while_the_handler_loads(code: Path, tmp_path: Path):
    """What a call reads it reads again the next time."""
    write(code / "prompts.yaml", "a: 1\n")
    write(code / "data.json", "{}")
    ready = f"open({str(tmp_path / 'runtime-ready')!r}, 'w').close()"
    log = observe(code, f"open('prompts.yaml').read()\n{ready}\nopen('data.json').read()\nimport a\n")
    for name in ("prompts.yaml", "data.json", "package/b.py"):
        write(code / name, "something = 'longer'\n")
    assert edits(log, code) == {"prompts.yaml", "package/b.py"}


def test_what_the_handler_writes_is_no_edit_even_of_its_own_code(code: Path):
    """A running total for the notebook next door; a module that writes itself; a file that takes another's place."""
    write(code / "metrics.json", "{}")
    log = observe(
        code,
        "import a, os\nopen('metrics.json').read()\nopen('metrics.json', 'w').write('{1}')\n"
        "open('a.py', 'a').write('y = 1')\nopen('new.tmp', 'w').write('y = 1')\nos.replace('new.tmp', 'package/b.py')\n",
    )
    assert edits(log, code) == set()


def test_links_are_followed(code: Path, tmp_path: Path):
    """The code itself may lie elsewhere."""
    target = write(tmp_path / "elsewhere" / "c.py")
    (code / "c.py").symlink_to(target)
    log = observe(code, "import c\n")
    write(target, "x = 22\n")
    assert edits(log, code) == {"c.py"}


def test_installed_packages_and_mounted_files_are_left_to_others(code: Path, tmp_path: Path):
    """Whoever installs or mounts says so."""
    for place in (code / "site-packages", tmp_path / "volumes"):
        write(place / "d.py")
        log = observe(code, f"import sys; sys.path.insert(0, {str(place)!r}); import d, json\n")
        write(place / "d.py", "x = 22\n")
        assert edits(log, code) == set()


def test_a_folder_that_is_gone_and_a_fork_do_not_disturb_the_handler(code: Path, tmp_path: Path):
    """Whatever goes wrong while something is written down, the code that opened a file knows nothing of it."""
    gone = tmp_path / "gone"
    gone.mkdir()
    program = (
        f"import os, sys\nos.chdir({str(gone)!r}); os.rmdir({str(gone)!r})\n"
        "try:\n    open('none.json')\nexcept FileNotFoundError:\n    pass\n"
        "if os.fork() == 0:\n    os.closerange(3, 100)\n    import a\n    os._exit(0)\n"
        "os.wait()\nimport package.b\n"
    )
    log = observe(code, program)
    write(code / "a.py", "x = 22\n")
    write(code / "package" / "b.py", "x = 22\n")
    assert edits(log, code) == {"a.py", "package/b.py"}


def test_a_log_that_is_not_there_or_half_written_hides_nothing_else(code: Path, tmp_path: Path):
    log = observe(code, "import package.b\n")
    write(code / "package" / "b.py", "x = 22\n")
    with log.open("a") as lines:
        lines.write('["r", "/half')
    assert edits(log, code) == {"package/b.py"}
    assert find_edited([tmp_path / "none"], tmp_path)[0] == {}
    assert json.loads(log.read_text().splitlines()[0])[0] == "r"


def test_compiled_forms_of_edited_modules_go_and_others_stay(tmp_path: Path):
    """Two edits of the same size within a second look current to Python."""
    stale = write(tmp_path / "__pycache__" / "a.cpython-311.pyc")
    other = write(tmp_path / "__pycache__" / "ab.cpython-311.pyc")
    forget_bytecode([tmp_path / "a.py", tmp_path / "b.py", tmp_path / "ac.json"])
    assert (stale.exists(), other.exists()) == (False, True)
