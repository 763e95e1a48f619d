"""Processes for virtual time: they end when they are told to, or when the test says so."""

from dataclasses import dataclass, field

from asya_local.processes import ProcessSpec


@dataclass
class FakeProcess:
    """A process that ends when it is told to, or when the test says so."""

    spec: ProcessSpec
    pid: int
    obeys: bool = True
    exit_code: int | None = None
    signals: list[str] = field(default_factory=list)

    def poll(self) -> int | None:
        return self.exit_code

    def terminate(self) -> None:
        self.signals.append("TERM")
        if self.obeys:
            self.exit_code = 0

    def kill_group(self) -> None:
        self.signals.append("KILL")
        if self.exit_code is None:
            self.exit_code = -9


@dataclass
class FakeLauncher:
    """Starts fake processes and remembers them."""

    obeys: bool = True
    started: list[FakeProcess] = field(default_factory=list)

    def launch(self, spec: ProcessSpec) -> FakeProcess:
        process = FakeProcess(spec, pid=1000 + len(self.started), obeys=self.obeys)
        self.started.append(process)
        return process

    def running(self, role: str) -> list[FakeProcess]:
        return [process for process in self.started if process.spec.role == role and process.exit_code is None]
