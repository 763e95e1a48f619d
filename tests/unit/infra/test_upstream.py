"""Published manifests: read from a path or the cache, held to their checksum; downloads are a command's alone."""

import hashlib
from pathlib import Path

import pytest

from asya_infra import fetch
from asya_infra.errors import ConfigError
from asya_infra.upstream import cached_path, read_upstream

pytestmark = pytest.mark.unit

TEXT = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: keda}}
- {apiVersion: v1, kind: Service, metadata: {name: s, namespace: keda}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: keda}
"""
URL = "https://example.invalid/keda-2.21.0.yaml"


def test_every_object_is_read_lists_too(tmp_path: Path) -> None:
    (tmp_path / "keda.yaml").write_text(TEXT, encoding="utf-8")
    found = read_upstream("asya:keda", "keda.yaml", hashlib.sha256(TEXT.encode()).hexdigest().upper(), tmp_path)
    assert [each["kind"] for each in found] == ["Namespace", "Service", "Deployment"]


@pytest.mark.parametrize(
    ("text", "sha256", "said"),
    [
        (TEXT, "0" * 64, "asya:kedaSha256: .* is not what was pinned"),
        ("a: [", "", "asya:keda: .* is no YAML"),
        ("just: text", "", "asya:keda: .* no Kubernetes object"),
        ("", "", "asya:keda: .* no Kubernetes object"),
    ],
)
def test_what_was_not_meant_is_refused(tmp_path: Path, text: str, sha256: str, said: str) -> None:
    (tmp_path / "keda.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        read_upstream("asya:keda", "keda.yaml", sha256, tmp_path)


def test_a_url_is_read_from_the_cache_and_never_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"python -m asya_infra\.fetch https://example\.invalid/keda"):
        read_upstream("asya:keda", URL)
    path = cached_path(URL)
    path.parent.mkdir(parents=True)
    path.write_text(TEXT, encoding="utf-8")
    assert len(read_upstream("asya:keda", URL)) == 3


def test_what_is_in_the_cache_is_not_fetched_again_but_held_to_its_pin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = cached_path(URL)
    path.parent.mkdir(parents=True)
    path.write_text(TEXT, encoding="utf-8")
    checksum = hashlib.sha256(TEXT.encode()).hexdigest()
    assert fetch.main([URL]) == 0
    assert f"sha256 {checksum}" in capsys.readouterr().out
    assert fetch.main([URL, "0" * 64]) == 1
    assert not path.exists()


def test_a_stack_s_file_says_what_to_fetch(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(f"config:\n  asya:keda: {URL}\n  asya:kedaSha256: abc\n", encoding="utf-8")
    assert fetch.of_stack(file) == (URL, "abc")
    file.write_text("config:\n  asya:keda: installed\n", encoding="utf-8")
    assert fetch.of_stack(file) is None
    assert fetch.of_stack(tmp_path / "Pulumi.none.yaml") is None
