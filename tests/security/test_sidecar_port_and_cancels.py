"""What a pod beside ours can ask of a sidecar, and what a cancel costs all of them."""

import http.client
import socket
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from asya_sidecar import health_server
from asya_sidecar.health_server import Endpoints
from asya_store.cancel_list import KEPT_S, NAMES_MOST, CancelList
from asya_store.folder import FolderStore


def endpoints() -> Endpoints:
    return Endpoints(
        "127.0.0.1:0", CollectorRegistry(), health=lambda: None, ready=lambda: None, work=lambda: ["an-id"]
    )


def ask(address: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def test_gateway_m2_ids_are_told_to_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    server = endpoints()
    try:
        assert ask(server.address, "/work") == (200, b'["an-id"]')
        monkeypatch.setattr(health_server, "_is_loopback", lambda host: False)
        status, body = ask(server.address, "/work")
        assert (status, b"an-id" in body) == (404, False)
        assert ask(server.address, "/health")[0] == 200
    finally:
        server.close()


def test_gateway_m2_what_is_loopback() -> None:
    assert all(map(health_server._is_loopback, ("127.0.0.1", "::1")))
    assert not any(map(health_server._is_loopback, ("10.0.0.7", "fe80::1%eth0", "::ffff:10.0.0.7")))


def test_gateway_m2_connections_are_counted_and_idle_ones_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_server, "CONNECTIONS", 2)
    server = endpoints()
    host, _, port = server.address.partition(":")
    idle = [socket.create_connection((host, int(port)), timeout=60) for _ in range(2)]
    try:
        with socket.create_connection((host, int(port)), timeout=60) as more:
            assert more.recv(1) == b""  # closed at once
        assert idle[0].recv(1) == b""  # after the few seconds that a first request may take
        assert idle[1].recv(1) == b""
        while True:  # the threads end a moment after their connections
            try:
                assert ask(server.address, "/health")[0] == 200
                break
            except OSError:
                continue
    finally:
        for each in idle:
            each.close()
        server.close()


class Counted(FolderStore):
    """Counts the keys that listings return."""

    listed = 0

    def list(self, prefix: str, *, after: str = "", most: int | None = None) -> list[str]:
        found = super().list(prefix, after=after, most=most)
        self.listed += len(found)
        return found


def test_gateway_m3_a_cancel_is_read_once_by_each_sidecar_and_forgotten(tmp_path: Path) -> None:
    store, now_s = Counted(tmp_path), [1_700_000_000.0]
    gateway, sidecar = CancelList(store, lambda: now_s[0]), CancelList(store, lambda: now_s[0])
    for number in range(50):
        gateway.add(f"e{number}", now_s[0] + number)
    assert store.listed <= 1  # the request that cancels lists nothing but what is old, now and then
    sidecar.refresh()
    assert "e0" in sidecar and "e49" in sidecar
    now_s[0] += 3600.0
    store.listed = 0
    gateway.add("late", now_s[0])
    sidecar.refresh()
    store.listed = 0
    for _ in range(10):
        sidecar.refresh()
    assert store.listed == 10  # the newest alone, each time
    assert all(name in sidecar for name in ("e0", "e49", "late"))
    now_s[0] += KEPT_S - 1800.0
    sidecar.refresh()
    assert "e0" not in sidecar
    assert "late" in sidecar
    gateway.add("last", now_s[0])  # which sweeps
    assert [key.rpartition("-")[2] for key in store.list("cancelled/")] == ["late", "last"]


def test_gateway_m3_a_cancel_whose_clock_is_behind_is_heard_of(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    sidecar = CancelList(store, lambda: 1_700_000_000.0)
    CancelList(store).add("first", 1_700_000_000.0)
    sidecar.refresh()
    CancelList(store).add("behind", 1_700_000_000.0 - 60.0)
    sidecar.refresh()
    assert "behind" in sidecar


def test_every_map_of_cancels_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asya_store.cancel_list.NAMES_MOST", 10)
    store, now_s = FolderStore(tmp_path), 1_700_000_000.0
    cancels = CancelList(store, lambda: now_s)
    for number in range(20):
        cancels.add(f"e{number}", now_s + number)
    cancels.refresh()
    assert [number for number in range(20) if f"e{number}" in cancels] == list(range(10, 20))
    assert NAMES_MOST >= 100_000
