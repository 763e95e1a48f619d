"""What `make up` and `make down` run, from a fresh checkout to nothing left, and what they say when something is wrong."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab.installs.kubernetes_openapi import openapi_document
from lab.pulumi_standins.kubernetes.recorder import recorded
from tests.support.pulumi_project import install_standins, require_engine
from tests.support.stack_checkout import Checkout
from tests.support.stack_program import NOBODY, program_folder

pytestmark = pytest.mark.timeout(1500)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Checkout]:
    engine = require_engine()
    home = tmp_path / "home"
    install_standins(home)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(NOBODY), encoding="utf-8")
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_BACKEND_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PULUMI_HOME", str(home))
    monkeypatch.setenv("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "1")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setenv("STANDIN_OPENAPI", str(openapi_document()))
    monkeypatch.setenv("STANDIN_KUBE_RECORD", str(tmp_path / "recorded"))
    monkeypatch.setenv("PATH", str(engine), prepend=":")
    yield Checkout(program_folder(tmp_path), tmp_path / "state", capfd)


def test_local_from_nothing_to_nothing(checkout: Checkout) -> None:
    """The same program without a cluster: its actor answers, a second up changes nothing, down leaves no process."""
    shared = (checkout.root / "Pulumi.local.yaml").read_text(encoding="utf-8")
    code, said = checkout.make("up", "local")
    try:
        assert code == 0, said
        assert "created" in said
        code, said = checkout.make("up", "local")
        assert code == 0 and "unchanged" in said and "created" not in said, said
        home = str(checkout.root / ".asya")
        asya = [
            str(Path(sys.executable).parent / "asya"),
            "send",
            "hello-actor",
            "--home",
            home,
            "--wait",
            "--timeout",
            "240s",
        ]
        answer = subprocess.run(
            [*asya, "--payload", '{"who": "stack"}'], capture_output=True, text=True, timeout=300, check=False
        )
        assert "Hello stack!" in answer.stdout, answer.stderr
    finally:
        code, said = checkout.make("down", "local")
    assert code == 0, said
    assert not list((checkout.root / ".asya").rglob("*.sock"))
    assert checkout.make("down", "local") == (0, "stack: there is no local to take down\n")
    assert (checkout.root / "Pulumi.local.yaml").read_text(encoding="utf-8") == shared, (
        "the shared file stays as it was"
    )


def test_other_commands_of_the_engine_leave_the_shared_file_alone(checkout: Checkout) -> None:
    """A refresh reads settings, and would otherwise note there how secrets are encrypted."""
    shared = (checkout.root / "Pulumi.local.yaml").read_text(encoding="utf-8")
    assert checkout.make("preview", "local")[0] == 0
    code, said = checkout.make("pulumi", "local", arguments=("refresh", "--yes", "--non-interactive"))
    assert code == 0, said
    assert (checkout.root / "Pulumi.local.yaml").read_text(encoding="utf-8") == shared


def test_another_passphrase_is_one_clear_line(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says which one is wanted, and nothing is made."""
    assert checkout.make("preview", "local")[0] == 0
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "not this one")
    code, said = checkout.make("up", "local")
    assert code != 0
    assert "stack: the passphrase is not the one that this stack was made with" in said
    assert not (checkout.root / ".asya").exists()


def test_a_stack_that_is_locked_says_how_to_go_on(checkout: Checkout) -> None:
    """As an update leaves it that was killed."""
    assert checkout.make("preview", "oss")[0] == 0
    locks = checkout.state / ".pulumi/locks/organization/asya/oss"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "f00.json").write_text('{"pid": 1, "username": "a", "hostname": "b", "timestamp": "2026-01-01T00:00:00Z"}')
    code, said = checkout.make("up", "oss")
    assert code != 0 and "make pulumi ENV=oss ARGS='cancel --yes'" in said, said
    assert checkout.make("preview", "oss")[0] == 0, "a preview needs no lock"


def test_a_failed_up_keeps_what_was_made_and_the_next_one_goes_on(checkout: Checkout, tmp_path: Path) -> None:
    """An object that the API server refuses ends the first; mended, the second makes the rest."""
    checkout.set("oss", waitSeconds="0", manifests=[str(checkout.root / "objects.yaml")])
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": 1}}
    (checkout.root / "objects.yaml").write_text(yaml.safe_dump(config_map), encoding="utf-8")
    code, said = checkout.make("up", "oss")
    assert code != 0 and "data.a: string is wanted" in said
    assert "run `make up ENV=oss` again, which makes the rest" in said
    (checkout.root / "objects.yaml").write_text(yaml.safe_dump({**config_map, "data": {"a": "1"}}), encoding="utf-8")
    code, said = checkout.make("up", "oss")
    assert code == 0, said
    assert {"a": "1"} in [thing["data"] for thing in recorded(tmp_path / "recorded") if thing["kind"] == "ConfigMap"]
    assert checkout.make("down", "oss")[0] == 0 and recorded(tmp_path / "recorded") == []


def test_down_after_the_cluster_was_deleted_by_hand(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Down fails, names the way out, and with it leaves nothing in the state."""
    checkout.set("oss", waitSeconds="0")
    code, said = checkout.make("up", "oss")
    assert code == 0, said
    monkeypatch.delenv("STANDIN_KUBE_RECORD")  # From here on there is only the kubeconfig of a cluster that is gone.
    code, said = checkout.make("down", "oss")
    assert code != 0 and "make down ENV=oss PULUMI_K8S_DELETE_UNREACHABLE=true" in said, said[-3000:]
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    code, said = checkout.make("down", "oss")
    assert code == 0, said[-3000:]
    assert checkout.make("down", "oss") == (0, "stack: there is no oss to take down\n")
