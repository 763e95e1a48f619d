"""The benchmarks run: their smallest sizes, on the memory transport, so that they cannot rot."""

from bench import hop, jobs
from bench.figures import Report


def test_a_hop_is_measured_by_processor_memory_and_throughput():
    report = Report("hop")
    hop.measure(report, only=("memory",), count=2000)
    values = {figure.name: figure.value for figure in report.figures}
    assert set(values) == {
        "memory: throughput",
        "memory: CPU of the sidecar per 1,000 envelopes",
        "memory: CPU of the runtime per 1,000 envelopes",
        "memory: memory of the sidecar",
        "memory: memory of the runtime above an interpreter, private",
        "memory: the same with what processes share",
    }
    assert all(value is not None and value >= 0 for value in values.values())


def test_jobs_go_through_the_embedded_mesh():
    report = Report("jobs")
    jobs.measure(report, jobs=500, peers=False)
    values = {figure.name: figure.value for figure in report.figures}
    assert {"runtime alone, called over its socket", "mesh, 1 call at once", "mesh, 4 calls at once"} <= set(values)
    assert all(value is not None and value >= 0 for value in values.values())
