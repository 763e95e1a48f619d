"""The folder of a local mesh: what is written there, by whom it is read, and where its sockets go."""

from pathlib import Path

import pytest

from asya_local.errors import MeshError
from asya_local.processes import ProcessRecord
from asya_local.state import BrokerRecord, MeshRecord, Request, StateFolder


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


@pytest.mark.parametrize("held", ["pyproject.toml", ".gitignore", "config.yaml"])
def test_a_folder_that_never_was_a_mesh_s_is_left_as_it_is(tmp_path: Path, held: str):
    """``--home .``, or a folder of another tool: everything in it would be kept from git and from others."""
    (tmp_path / held).write_text("mine\n", encoding="utf-8")
    mode = tmp_path.stat().st_mode
    with pytest.raises(MeshError, match=r"--home \.asya-mesh"), StateFolder(tmp_path).locked():
        pass
    assert [path.name for path in tmp_path.iterdir()] == [held]
    assert (tmp_path / held).read_text(encoding="utf-8") == "mine\n"
    assert tmp_path.stat().st_mode == mode


def test_a_folder_that_was_begun_or_was_a_mesh_s_is_taken(tmp_path: Path):
    """A first command may be killed at any moment; a later one finds logs and results."""
    (tmp_path / ".gitignore").write_text("*\n", encoding="utf-8")
    for _ in range(2):
        with StateFolder(tmp_path).locked():
            (tmp_path / "logs").mkdir(exist_ok=True)


def test_sockets_of_a_deep_folder_go_to_a_short_one(tmp_path: Path):
    """A socket path has about 107 bytes."""
    shallow, deep = StateFolder(Path("/srv/m")), StateFolder(tmp_path / ("x" * 100))
    assert shallow.run_dir == Path("/srv/m/run")
    assert len(str(deep.run_dir)) < 60
    assert deep.run_dir == StateFolder(deep.home).run_dir != StateFolder(tmp_path / ("y" * 100)).run_dir
