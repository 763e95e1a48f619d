"""What `asya:monitoring` installs is what Prometheus takes: configuration, discovery in Kubernetes, rules."""

import json
import subprocess
from pathlib import Path

import yaml

from asya_infra import monitoring
from lab.installs.prometheus import prometheus


def test_prometheus_takes_the_configuration_that_is_installed(tmp_path: Path) -> None:
    (data,) = [
        each["data"]
        for each in monitoring.objects("system", ["actors"])
        if each["kind"] == "ConfigMap" and each["metadata"]["name"] == monitoring.PROMETHEUS
    ]
    config = yaml.safe_load(data["prometheus.yml"])
    (tmp_path / "rules.yaml").write_text(data["rules.yaml"])
    (tmp_path / "token").write_text("a-token")
    config["rule_files"] = [str(tmp_path / "rules.yaml")]
    config["scrape_configs"][1]["authorization"]["credentials_file"] = str(tmp_path / "token")
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    argv = [str(prometheus("promtool")), "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS: 26 rules found" in done.stdout
