"""The mesh's folder, its logs and its mounted files."""

from pathlib import Path, PurePosixPath

import pytest

from asya_local.container import FilePlan, MountedFile, lay_out
from asya_local.errors import MeshError
from asya_local.log_files import Follower, rotate, tail
from asya_local.processes import ProcessRecord
from asya_local.settings import read_local_settings
from asya_local.state import BrokerRecord, MeshRecord, Request, StateFolder
from asya_protocol.errors import SettingsError


def test_state_is_read_as_it_was_written_and_only_by_its_owner(tmp_path: Path):
    """Every file, once."""
    state = StateFolder(tmp_path / "home")
    broker = BrokerRecord(ProcessRecord(2, 2.5, "broker"), "memory", "/s")
    mesh = MeshRecord(ProcessRecord(1, 1.5, "supervisor"), "memory", broker=broker, environment={"A": "1"})
    request = Request("1", ["/a"], "sqs", None, None, None, None, 4, {"K": "v"})
    state.write_mesh(mesh)
    state.write_request(request)
    state.write_processes([broker.process])
    assert (state.read_mesh(), state.read_request(), state.read_processes()) == (mesh, request, [broker.process])
    assert (state.home / "mesh.json").stat().st_mode & 0o077 == 0
    assert state.mesh_id == StateFolder(state.home).mesh_id
    state.forget()
    assert (state.read_mesh(), state.read_processes(), state.read_status()) == (None, [], None)


def test_a_spoilt_state_file_is_named_with_a_cure(tmp_path: Path):
    """Not a traceback."""
    (tmp_path / "mesh.json").write_text("{")
    with pytest.raises(MeshError, match=r"mesh\.json cannot be read .* asya local down"):
        StateFolder(tmp_path).read_mesh()


def test_two_commands_do_not_work_on_one_mesh_at_a_time(tmp_path: Path):
    """The second is told, it does not wait."""
    with (
        StateFolder(tmp_path).locked(),
        pytest.raises(MeshError, match="another command is at work"),
        StateFolder(tmp_path).locked(),
    ):
        pass


def test_sockets_of_a_deep_folder_go_to_a_short_one(tmp_path: Path):
    """A socket path has about 107 bytes."""
    shallow, deep = StateFolder(Path("/srv/m")), StateFolder(tmp_path / ("x" * 100))
    assert shallow.run_dir == Path("/srv/m/run")
    assert len(str(deep.run_dir)) < 60
    assert deep.run_dir == StateFolder(deep.home).run_dir != StateFolder(tmp_path / ("y" * 100)).run_dir


def test_a_full_log_is_cut_and_its_newest_part_kept(tmp_path: Path):
    """Whoever writes it goes on at the start, because it appends."""
    path = tmp_path / "a" / "1-runtime.log"
    path.parent.mkdir()
    with path.open("ab") as writer:
        writer.write(b"0123456789" * 10)
        writer.flush()
        assert rotate(tmp_path, max_bytes=50) == [path]
        writer.write(b"new")
        writer.flush()
    assert path.read_bytes() == b"new"
    assert (tmp_path / "a" / "1-runtime.log.1").read_bytes() == b"0123456789" * 5
    assert rotate(tmp_path, max_bytes=50) == []


@pytest.mark.parametrize(("lines", "expected"), [(0, []), (1, ["c"]), (2, ["b", "c"]), (9, ["a", "b", "c"])])
def test_the_newest_lines_of_a_log_are_read_from_its_end(tmp_path: Path, lines: int, expected: list[str]):
    """Also when there are fewer."""
    path = tmp_path / "x.log"
    path.write_text("a\nb\nc\n")
    assert tail(path, lines) == expected


def test_the_end_of_a_long_log_is_found_without_reading_all_of_it(tmp_path: Path):
    """Lines longer than a block too."""
    path = tmp_path / "x.log"
    path.write_text("".join(f"{number:0100000}\n" for number in range(20)))
    assert [line[-2:] for line in tail(path, 3)] == ["17", "18", "19"]


def test_following_yields_whole_added_lines_also_of_new_and_of_cut_logs(tmp_path: Path):
    """Not half a line, and none twice."""
    first, second = tmp_path / "a.log", tmp_path / "b.log"
    first.write_text("old\n")
    follower = Follower([first])
    with first.open("a") as writer:
        writer.write("one\ntw")
    assert list(follower.poll([first])) == [(first, "one")]
    with first.open("a") as writer:
        writer.write("o\n")
    second.write_text("new\n")
    assert list(follower.poll([first, second])) == [(first, "two"), (second, "new")]
    first.write_text("")
    first.write_text("cut\n")
    assert list(follower.poll([first, second])) == [(first, "cut")]
    follower.close()


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


def test_the_cap_and_the_store_come_from_the_environment():
    """Or are named when they cannot be used."""
    assert read_local_settings({"ASYA_LOCAL_MAX_REPLICAS": "7"}).max_replicas == 7
    assert read_local_settings({}).max_replicas >= 2
    assert read_local_settings({"AWS_REGION": "x"}).store == {}
    bucket = {"ASYA_S3_BUCKET": "b", "AWS_REGION": "x"}
    assert read_local_settings({**bucket, "PATH": "/"}).store == bucket
    with pytest.raises(SettingsError, match="ASYA_LOCAL_MAX_REPLICAS"):
        read_local_settings({"ASYA_LOCAL_MAX_REPLICAS": "many"})
