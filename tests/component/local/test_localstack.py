"""Finding and starting the stand-in for AWS, on machines that make it hard."""

import subprocess
import sys
from pathlib import Path

import pytest

from asya_local import localstack
from lab.servers.localstack import require_server
from lab.servers.ports import free_port


def make_executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_installing_again_is_silent_and_finds_the_same() -> None:
    require_server()
    said: list[str] = []
    first, second = localstack.ensure_installed(said.append), localstack.ensure_installed(said.append)
    assert (first == second, said) == (True, [])


def test_an_interpreter_that_exists_but_does_not_run_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = make_executable(tmp_path / "shims" / "python3.13", "#!/bin/sh\nexit 127\n")
    good = make_executable(tmp_path / "bin" / "python3.12", "#!/bin/sh\necho 3.12.0\n")
    monkeypatch.setenv("PATH", f"{shim.parent}:{good.parent}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "no-pyenv"))
    monkeypatch.setattr(localstack, "_own_python", lambda: shim)
    assert localstack._find_or_fetch_python(pytest.fail, tmp_path / "cache") == good


def test_pyenvs_folder_is_searched_where_path_has_only_shims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = make_executable(tmp_path / "shims" / "python3.13", "#!/bin/sh\nexit 127\n")
    good = make_executable(tmp_path / "versions" / "3.13.0" / "bin" / "python3.13", "#!/bin/sh\necho 3.13.0\n")
    monkeypatch.setenv("PATH", str(shim.parent))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(localstack, "_own_python", lambda: shim)
    assert localstack._find_or_fetch_python(pytest.fail, tmp_path / "cache") == good


def test_a_python_that_could_not_be_fetched_is_not_asked_for_again_the_same_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(argv: list[str], kind: str) -> str:
        raise localstack.CloudError("no network")

    monkeypatch.setattr(localstack, "find_python", lambda: None)
    monkeypatch.setattr(localstack, "find_uv", lambda cache: "/bin/uv")
    monkeypatch.setattr(localstack, "_run", no_network)
    said: list[str] = []
    assert [localstack._find_or_fetch_python(said.append, tmp_path / "cache") for _ in range(2)] == [None, None]
    assert len(said) == 1


def test_where_no_python_fits_moto_stands_in_and_a_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(localstack, "_find_or_fetch_python", lambda progress, cache: None)
    monkeypatch.setattr(localstack, "_run", lambda argv, kind: commands.append(argv))
    said: list[str] = []
    cache = tmp_path / "cache"
    python = localstack._environment_folder(cache, "moto") / "bin"
    monkeypatch.setattr(Path, "touch", lambda path: None)  # nothing was installed, so there is no folder for the mark
    assert localstack.ensure_installed(said.append, cache=cache) == python / "python"
    assert "moto's server stands in for LocalStack" in said[0]
    assert commands[-1][-3:] == ["--require-hashes", "--requirement", str(localstack.LOCKED["moto"])]


def test_an_installation_that_fails_says_what_the_installer_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = make_executable(tmp_path / "uv", "#!/bin/sh\necho 'no network' >&2\nexit 1\n")
    monkeypatch.setattr(localstack, "find_uv", lambda cache: str(uv))
    monkeypatch.setattr(localstack, "_find_or_fetch_python", lambda progress, cache: Path(sys.executable))
    with pytest.raises(localstack.CloudError, match="no network"):
        localstack.ensure_installed(lambda text: None, cache=tmp_path / "cache")
    assert not (localstack._environment_folder(tmp_path / "cache", "localstack") / "complete").exists()


def test_starting_before_installing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(localstack.CloudError, match="ensure_installed"):
        localstack.start(tmp_path / "run", free_port(), ("sqs",))


def test_a_server_that_ends_at_once_shows_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("Address already in use\n")
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"], start_new_session=True)
    process.wait(30)
    server = localstack.CloudServer("localstack", process, free_port(), log)
    with pytest.raises(localstack.CloudError, match=r"code 3:\nAddress already in use"):
        localstack.wait_ready(server, 5.0)
    server.stop()


@pytest.mark.parametrize("kind", localstack.PINS)
def test_every_package_of_a_stand_in_is_named_with_its_hashes(kind: localstack.Kind) -> None:
    text = localstack.LOCKED[kind].read_text(encoding="utf-8")
    packages = [each for each in text.replace("\\\n", "").splitlines() if each.strip()]
    assert len(packages) > 30
    assert [each.split()[0] for each in packages if "==" not in each or "--hash=sha256:" not in each] == []
    wanted = {pin.partition("==")[0].partition("[")[0] for pin in localstack.PINS[kind] if "==" in pin}
    assert wanted <= {each.partition("==")[0] for each in packages}
