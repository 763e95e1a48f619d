"""The component provider's TypeScript classes, by Pulumi's own generator: they compile, with the uses that a program has."""

import json
import subprocess
from pathlib import Path

import pytest

from lab.checkout import ROOT
from lab.engine import node_classes
from lab.installs.node import install_pulumi
from tests.support.pulumi_project import required

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1200)]

SETTINGS = {
    "compilerOptions": {
        "strict": True,
        "noEmit": True,
        "target": "es2020",
        "module": "commonjs",
        "moduleResolution": "node",
        "skipLibCheck": True,
        "types": ["node"],
        "baseUrl": ".",
        "paths": {"@asya/pulumi": ["./asya"]},
    },
    "include": ["index.ts", "asya/**/*.ts"],
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A program with the generated classes beside it."""
    required(node_classes.build)
    schema = json.loads((ROOT / "infra/plugin/schema.json").read_text(encoding="utf-8"))
    node_classes.write(schema, tmp_path / "asya")
    (tmp_path / "node_modules").symlink_to(install_pulumi())
    (tmp_path / "tsconfig.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
    return tmp_path


def compiled(project: Path, program: str) -> str:
    """What the compiler says; empty when it has nothing to say."""
    (project / "index.ts").write_text(program, encoding="utf-8")
    tsc = project / "node_modules/.bin/tsc"
    done = subprocess.run([str(tsc), "-p", "."], cwd=project, capture_output=True, text=True, check=False, timeout=600)
    return done.stdout + done.stderr


def test_the_twelve_uses_compile_and_mistakes_do_not(project: Path) -> None:
    program = (ROOT / "tests/stack/programs/uses/index.ts").read_text(encoding="utf-8")
    assert compiled(project, program) == ""
    package = json.loads((project / "asya/package.json").read_text(encoding="utf-8"))
    assert package["name"] == "@asya/pulumi"
    assert package["license"] == "Apache-2.0"
    written = "".join(path.read_text(encoding="utf-8") for path in (project / "asya").rglob("*.ts"))
    assert "ArgsArgs" not in written
