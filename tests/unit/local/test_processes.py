"""A process is known by its pid and its start, whatever the wall clock does. This test's own process stands for any."""

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from asya_cli.forward_record import Forward, ForwardRecord
from asya_local.processes import ProcessRecord, record_of
from asya_local.state import BrokerRecord, MeshRecord, StateFolder

REAL_BOOT_TIME_S = psutil.boot_time()


@pytest.fixture
def record() -> ProcessRecord:
    made = record_of(os.getpid(), "broker")
    assert made is not None
    return made


def step_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Do what a step of the wall clock does to psutil: start times are counted from a boot time that moves with it."""
    before_s = psutil.Process(os.getpid()).create_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: REAL_BOOT_TIME_S + seconds)
    assert psutil.Process(os.getpid()).create_time() == pytest.approx(before_s + seconds)


@pytest.mark.parametrize("seconds", [1.0, -1.0, 3600.0])
def test_a_step_of_the_wall_clock_kills_no_process(
    record: ProcessRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Read back from the state folder and from a port-forward's record too."""
    state, forwards = StateFolder(tmp_path), ForwardRecord(tmp_path, "f")
    state.write_mesh(MeshRecord(record, "memory", broker=BrokerRecord(record, "memory", "/s")))
    state.write_processes([record])
    forwards.write(Forward(record, "http://localhost:1"))
    step_clock(monkeypatch, seconds)
    mesh = state.read_mesh()
    assert mesh is not None
    assert mesh.broker is not None
    assert record.alive
    assert mesh.supervisor.alive
    assert mesh.broker.process.alive
    assert [read.alive for read in state.read_processes()] == [True]
    assert forwards.read() == Forward(record, "http://localhost:1")


def test_another_process_with_the_same_pid_is_not_the_one(record: ProcessRecord) -> None:
    """It started at another tick, or the machine has been started anew since."""
    boot, _, ticks = record.start.partition("/")
    assert not replace(record, start=f"{boot}/{int(ticks) - 1}").alive
    assert not replace(record, start=f"{'0' * len(boot)}/{ticks}").alive
    assert not replace(record, pid=1).alive  # a parent may have started in the same tick


def test_records_of_before_are_compared_by_wall_time(record: ProcessRecord, tmp_path: Path) -> None:
    """A mesh that was up before an update is still found, and one that has ended is not."""
    (tmp_path / "processes.json").write_text(
        f'{{"processes": [{{"pid": {record.pid}, "created_s": {record.created_s}, "role": "broker", "actor": ""}},'
        f' {{"pid": {record.pid}, "created_s": {record.created_s - 5}, "role": "broker", "actor": ""}}]}}'
    )
    assert [read.alive for read in StateFolder(tmp_path).read_processes()] == [True, False]


def test_a_machine_without_proc_compares_wall_time(record: ProcessRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asya_local.processes.PROC", Path("/nowhere"))
    without = record_of(os.getpid(), "broker")
    assert without is not None
    assert without.start == ""
    assert without.alive
    assert record.alive
    assert not replace(without, created_s=without.created_s - 5).alive
