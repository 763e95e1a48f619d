"""What `asya:monitoring` installs is what Prometheus takes: configuration, discovery in Kubernetes, rules, histograms."""

import json
import subprocess
from pathlib import Path

import prometheus_client
import yaml

from asya_infra import monitoring
from asya_sidecar.metrics import Metrics
from lab.installs.prometheus import prometheus
from lab.servers.prometheus import PrometheusServer
from lab.waits import wait_until

LIMIT_S = 60.0


def installed() -> dict[str, str]:
    """The ConfigMap of Prometheus."""
    (data,) = [
        each["data"]
        for each in monitoring.objects("system", ["actors"])
        if each["kind"] == "ConfigMap" and each["metadata"]["name"] == monitoring.PROMETHEUS
    ]
    found: dict[str, str] = data
    return found


def test_prometheus_takes_the_configuration_that_is_installed(tmp_path: Path) -> None:
    data = installed()
    config = yaml.safe_load(data["prometheus.yml"])
    (tmp_path / "rules.yaml").write_text(data["rules.yaml"])
    (tmp_path / "token").write_text("a-token")
    config["rule_files"] = [str(tmp_path / "rules.yaml")]
    config["scrape_configs"][1]["authorization"]["credentials_file"] = str(tmp_path / "token")
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    argv = [str(prometheus("promtool")), "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS: 27 rules found" in done.stdout


def test_it_makes_native_histograms_of_a_sidecar_s_and_keeps_the_classic_ones() -> None:
    metrics = Metrics("asya_actor", "ocr", "memory")
    page, _ = prometheus_client.start_http_server(0, "127.0.0.1", metrics.registry)
    settings = yaml.safe_load(installed()["prometheus.yml"])["global"]
    name = "asya_actor_runtime_execution_duration_seconds"
    asked = (f"histogram_quantile(0.5, rate({name}[10s])) > 1", f"rate({name}_bucket[10s]) > 0")
    try:
        with PrometheusServer({"sidecar": [f"127.0.0.1:{page.server_port}"]}, settings=settings) as server:

            def answered() -> bool:
                metrics.called(1800.0)
                return all(server.query(expr) for expr in asked)

            wait_until(answered, LIMIT_S, "both kinds have data", lambda: str([server.query(each) for each in asked]))
            (found,) = server.query(f"histogram_quantile(0.5, rate({name}[10s]))")
            assert 600 < float(found["value"][1]) <= 1800
    finally:
        page.shutdown()
        page.server_close()
