"""Files that a manifest mounts, laid out in a folder."""

from pathlib import Path, PurePosixPath

from asya_local.container import FilePlan, MountedFile, lay_out


def test_mounted_files_are_written_changed_and_removed_and_scratch_stays(tmp_path: Path):
    """The folder holds what the mounts bring, and what an empty volume has got since."""
    scratch = PurePosixPath("/cache")
    root = tmp_path / "root"

    def files(**content: str) -> tuple[MountedFile, ...]:
        return tuple(MountedFile(PurePosixPath("/app") / name, text.encode(), 0o600) for name, text in content.items())

    lay_out(FilePlan(files=files(a="1", b="2"), scratch=(scratch,)), root)
    (root / "cache" / "kept").write_text("x")
    lay_out(FilePlan(files=files(a="3"), scratch=(scratch,)), root)
    found = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
    assert found == {"app/a": "3", "cache/kept": "x"}
    assert (root / "app/a").stat().st_mode & 0o777 == 0o600
    lay_out(FilePlan(), root)
    assert list(root.iterdir()) == []
