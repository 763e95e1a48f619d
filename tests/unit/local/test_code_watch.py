"""What counts as an edit of handlers' code, and what does not."""

import os
from pathlib import Path

import pytest

from asya_local import code_watch as watch
from asya_local.code_watch import LOOK_S, SourceWatch, forget_bytecode


def write(path: Path, text: str = "x = 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def edits(watcher: SourceWatch, folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in watcher.look([folder]).get(folder, [])}


def test_changed_new_and_removed_code_is_an_edit_and_a_first_look_is_none(tmp_path: Path):
    """Also in packages below the folder."""
    watcher = SourceWatch()
    first, second = write(tmp_path / "a.py"), write(tmp_path / "package" / "b.py")
    assert edits(watcher, tmp_path) == set()
    assert edits(watcher, tmp_path) == set()
    first.write_text("x = 22\n")
    second.unlink()
    write(tmp_path / "package" / "c.py")
    assert edits(watcher, tmp_path) == {"a.py", "package/b.py", "package/c.py"}
    assert edits(watcher, tmp_path) == set()


def test_a_file_that_is_replaced_within_the_same_tick_of_the_clock_is_an_edit(tmp_path: Path):
    """As editors write: a new file of the same size and time takes the old one's place."""
    watcher = SourceWatch()
    old = write(tmp_path / "a.py", "x = 1\n")
    edits(watcher, tmp_path)
    new = write(tmp_path / ".a.py.swp", "x = 2\n")
    stat = old.stat()
    os.utime(new, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    new.replace(old)
    assert edits(watcher, tmp_path) == {"a.py"}


def test_configuration_counts_when_it_changes_and_not_when_it_appears(tmp_path: Path):
    """A handler that writes its results beside its code must not start itself anew for each."""
    watcher = SourceWatch()
    config = write(tmp_path / "config.yaml", "a: 1\n")
    edits(watcher, tmp_path)
    write(tmp_path / "result.json", "{}")
    assert edits(watcher, tmp_path) == set()
    config.write_text("a: 12\n")
    assert edits(watcher, tmp_path) == {"config.yaml"}
    config.unlink()
    assert edits(watcher, tmp_path) == {"config.yaml"}


@pytest.mark.parametrize(
    "path",
    ["__pycache__/a.py", ".git/a.py", ".hidden.py", "node_modules/m/a.py", "env/lib/a.py", "mesh/status.json", "a.txt"],
)
def test_what_is_nobodys_code_is_no_edit(tmp_path: Path, path: str):
    """Caches, hidden folders, virtual environments, a mesh's own folder, other kinds of files."""
    watcher = SourceWatch()
    write(tmp_path / "env" / "pyvenv.cfg")
    write(tmp_path / "mesh" / "mesh-id")
    write(tmp_path / path)
    edits(watcher, tmp_path)
    write(tmp_path / path, "something longer\n")
    assert edits(watcher, tmp_path) == set()


def test_manifests_are_left_to_those_who_follow_them(tmp_path: Path):
    """They lie in the same folder as the code."""
    watcher = SourceWatch()
    manifest = write(tmp_path / "actor.yaml", "a: 1\n")
    apart = {str(manifest)}
    watcher.look([tmp_path], apart)
    manifest.write_text("a: 12\n")
    assert watcher.look([tmp_path], apart) == {}


def test_only_the_edited_folder_is_named_and_a_folder_that_goes_and_comes_is_new(tmp_path: Path):
    """Actors of other folders are not disturbed."""
    watcher = SourceWatch()
    one, two = tmp_path / "one", tmp_path / "two"
    write(one / "a.py")
    path = write(two / "a.py")
    watcher.look([one, two])
    path.write_text("x = 22\n")
    assert watcher.look([one, two]) == {two: [path]}
    watcher.look([one])
    path.write_text("x = 333\n")
    assert watcher.look([one, two]) == {}


def test_a_folder_with_too_many_files_is_said_to_be_one_and_costs_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Somebody's home folder."""
    monkeypatch.setattr(watch, "MAX_FILES", 3)
    watcher = SourceWatch()
    for number in range(4):
        write(tmp_path / f"p{number}" / "a.py")
    assert watcher.look([tmp_path]) == {}
    assert watcher.too_large == {tmp_path}
    assert watcher.rest_s >= LOOK_S


def test_a_folder_that_is_not_there_has_no_code(tmp_path: Path):
    """It may come later."""
    watcher = SourceWatch()
    assert watcher.look([tmp_path / "none"]) == {}
    path = write(tmp_path / "none" / "a.py")
    assert watcher.look([tmp_path / "none"]) == {tmp_path / "none": [path]}


def test_compiled_forms_of_edited_modules_go_and_others_stay(tmp_path: Path):
    """Two edits of the same size within a second look current to Python."""
    stale = write(tmp_path / "__pycache__" / "a.cpython-311.pyc")
    other = write(tmp_path / "__pycache__" / "ab.cpython-311.pyc")
    forget_bytecode([tmp_path / "a.py", tmp_path / "b.py", tmp_path / "ab.json"])
    assert (stale.exists(), other.exists()) == (False, True)
