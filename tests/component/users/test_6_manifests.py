"""Manifests mean one thing."""

from pathlib import Path

from tests.support.command_line import CommandLine
from tests.support.mesh import write_actor


def test_two_containers_on_one_port_are_refused_when_applied(asya: CommandLine, tmp_path: Path) -> None:
    more = {"name": "more", "image": "x", "ports": [{"containerPort": 8080}]}
    pod = {"containers": [{"name": "asya-runtime", "image": "x"}, more]}
    write_actor(tmp_path, "clash", "def handle(p):\n    return p\n", workload={"template": {"spec": pod}})
    done = asya("local", "up", "-f", str(tmp_path), "--home", str(tmp_path / "home"), "--transport", "memory")
    assert done.code == 2
    assert "8080" in done.err
