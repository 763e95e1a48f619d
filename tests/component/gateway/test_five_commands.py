"""docs/gateway.md, from nothing to an agent: its commands are run as they stand there, but for the port."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.mesh import short_home

PAGE = Path(__file__).resolve().parents[3] / "docs" / "gateway.md"


def test_the_page_leads_from_nothing_to_an_agent() -> None:
    text = PAGE.read_text()
    commands, agent = re.findall(
        r"```(?:bash|python)\n(.*?)```", text[text.index("<!-- five commands -->") :], re.DOTALL
    )[:2]
    assert commands.count("\n") == 5
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = short_home()  # sockets of the mesh lie below it
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "agent.py").write_text(agent)  # asya init makes the folder that the page's reader saves it in
    script = commands.replace("8089", str(port)).replace("agent.py", "../agent.py")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": path, "HOME": os.environ["HOME"]}
    try:
        done = subprocess.run(
            ["/bin/bash", "-eu", "-c", script],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        subprocess.run(["/bin/bash", "-c", "cd greet && asya local down"], cwd=folder, env=environ, check=False)
        shutil.rmtree(folder)
    assert '"message": "Hello Ada!"' in done.stdout
    assert "['greet']" in done.stdout
    assert "100 % Envelope completed successfully" in done.stdout
    assert "Hello the agent!" in done.stdout
