"""A release, pushed to a registry and installed from there alone; and what a team's program brings into an environment."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest
import yaml

from lab.images.publish import own_version
from lab.installs.uv import uv
from lab.servers.registry import Registry
from tests.support.pulumi_project import PASSPHRASE, install_standins, require_engine
from tools.release import charts
from tools.release.__main__ import release
from tools.release.packages import build_wheels

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1800)]
MB: Final = 1_000_000
LIMIT_MB: Final = 25
"""What asya-infra may add to Pulumi's own SDKs."""
SDKS: Final = ("pulumi>=3.250,<4", "pulumi-kubernetes>=4.30,<5")
STRANGERS: Final = {"kopf", "psycopg", "psycopg-binary", "starlette", "uvicorn", "pika", "boto3", "kubernetes-asyncio"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("wheels")
    assert build_wheels(folder)
    return folder


def environment(folder: Path, wheels: Path, *requirements: str) -> Path:
    """An empty environment with packages; ours come from the wheels alone."""
    uv("venv", "--quiet", "--python", sys.executable, str(folder))
    uv("pip", "install", "--quiet", "--python", str(folder / "bin/python"), "--find-links", str(wheels), *requirements)
    return folder


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def test_a_teams_program_brings_little_beyond_pulumis_own(wheels: Path, tmp_path: Path) -> None:
    alone = environment(tmp_path / "sdks", wheels, *SDKS)
    ours = environment(tmp_path / "ours", wheels, "asya-infra", *SDKS)
    listed = json.loads(uv("pip", "list", "--format", "json", "--python", str(ours / "bin/python")))
    names = {each["name"] for each in listed}
    assert names & STRANGERS == set()
    assert {name for name in names if name.startswith("asya")} == {"asya-infra", "asya-manifest", "asya-protocol"}
    beyond = (size(ours) - size(alone)) / MB
    print(f"asya-infra: {len(names)} packages, {beyond:.1f} MB beyond Pulumi's SDKs")
    assert beyond <= LIMIT_MB
    program = "import asya_infra, importlib.util as u; print(u.find_spec('handlers'), u.find_spec('asya_local'))"
    done = subprocess.run(
        [ours / "bin/python", "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "None None\n"


def test_a_new_project_runs_with_what_its_requirements_say(wheels: Path, tmp_path: Path) -> None:
    """``pip install -r requirements.txt && pulumi up``, typed in a folder that `asya init --pulumi` has just written."""
    engine = require_engine()
    argv = [sys.executable, "-c", "from asya_cli.main import main; main()", "init", "page-ocr", "--pulumi"]
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True)
    project = tmp_path / "page-ocr"
    uv("venv", "--quiet", "--seed", "--python", sys.executable, str(tmp_path / "venv"))
    # The engine looks for the plugins of exactly these, which are stand-ins.
    pins = tmp_path / "constraints.txt"
    pins.write_text("".join(f"{name}=={version(name)}\n" for name in ("pulumi", "pulumi-kubernetes")), encoding="utf-8")
    install_standins(tmp_path / "home")
    (tmp_path / "state").mkdir()
    shell = {
        "PATH": os.pathsep.join([str(tmp_path / "venv/bin"), str(engine), os.environ["PATH"]]),
        "HOME": os.environ["HOME"],
        "PIP_FIND_LINKS": str(wheels),
        "PIP_CONSTRAINT": str(pins),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": (tmp_path / "state").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
    }

    def typed(line: str) -> str:
        done = subprocess.run(
            ["/bin/bash", "-c", line], cwd=project, env=shell, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    typed("pip install --quiet --disable-pip-version-check -r requirements.txt && pulumi stack init local")
    try:
        typed("pulumi up --yes --skip-preview")
        assert json.loads(typed("pulumi stack output --json"))["status"] in {"Running", "Napping"}
    finally:
        typed("pulumi destroy --yes --skip-preview")


def test_charts_and_images_are_installed_from_the_registry_alone(tmp_path: Path) -> None:
    released = own_version()
    with Registry(tmp_path / "registry") as registry:
        name = f"{registry.name}/asya"
        made = release(released, name, images=["crew"], architectures=["amd64"], folder=tmp_path / "release")
        pushed = (made / "pushed.txt").read_text(encoding="utf-8").splitlines()
        assert len(pushed) == 6
        crew = pushed[0]
        empty = tmp_path / "empty"
        empty.mkdir()
        said = charts.helm(
            "template", "crew", f"oci://{name}/charts/asya-crew", "--version", released, "--plain-http",
            "--set", "transport=sqs", "--repository-cache", str(empty),
        )  # fmt: skip
        objects = [each for each in yaml.safe_load_all(said.partition("---")[2]) if each]
        used = {
            container["image"]
            for each in objects
            for container in each["spec"]["workload"]["template"]["spec"]["containers"]
        }
        assert used == {crew.replace("@", f":{released}@")}
    listed = (made / "SHA256SUMS").read_text(encoding="utf-8")
    subprocess.run(["/usr/bin/sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=made, check=True)
    for part in (
        f"wheels/asya_infra-{released}-py3",
        f"charts/asya-operator-{released}.tgz",
        "sbom/asya-gateway.cdx.json",
    ):
        assert part in listed
    bill = json.loads((made / "sbom/asya-gateway.cdx.json").read_text(encoding="utf-8"))
    assert {"starlette", "psycopg"} <= {each["name"] for each in bill["components"]}
