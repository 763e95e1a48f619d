"""What all tiers share: a test's marker is its folder, and the tables that tests record are printed at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.nodeid import coerce_node_id
from hypothesis import HealthCheck, settings

# Machines are busy, and no test here is about time.
settings.register_profile("asya", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("asya")

TIERS = ("unit", "security", "contract", "component", "charts", "tofu", "stack", "e2e")
TABLE = "table"


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark every test with the tier whose folder it lies in, and keep the groups of ``xdist_group`` together.

    pytest-xdist 3.8 writes a test's group into ``_nodeid``, which pytest 9.2 reads no more: groups were run by all workers.
    """
    root = Path(__file__).parent
    for item in items:
        tier = item.path.relative_to(root).parts[0] if item.path.is_relative_to(root) else ""
        if tier in TIERS:
            item.add_marker(getattr(pytest.mark, tier))
    yield
    for item in items:
        grouped = getattr(item, "_nodeid", None)
        if grouped is not None:
            item._id = coerce_node_id(grouped)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print recorded tables, of passed tests too and also those of xdist's workers."""
    reports = [report for group in terminalreporter.stats.values() for report in group]
    for report in reports:
        if getattr(report, "when", "") == "call":
            for name, value in report.user_properties:
                if name == TABLE:
                    terminalreporter.write_line(f"\n{value}")
