"""Write the tables of docs/metrics.md from those of sidecar, operator and gateway; with ``--check`` only compare.

Only what stands between the two markers is made; the rest of the page is written by hand.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from asya_gateway import metric_table as gateway
from asya_operator import metric_table as operator
from asya_process.metric import SPANS_LOST, Metric
from asya_sidecar import metric_table as sidecar
from lab.checkout import ROOT
from tools.tree import write_between

PAGE: Final = ROOT / "docs" / "metrics.md"
BEGIN: Final = "<!-- metrics:begin -->"
END: Final = "<!-- metrics:end -->"
TABLES: Final = (
    ("The sidecar's", "asya_actor", (*sidecar.TABLE, SPANS_LOST)),
    ("The operator's", "asya_operator", (*operator.TABLE, SPANS_LOST)),
    ("The gateway's", "asya_gateway", (*gateway.TABLE, SPANS_LOST)),
)
"""Title, prefix and metrics; the sidecar's prefix is `ASYA_METRICS_NAMESPACE`."""


def main() -> None:
    """Write the page's part, or compare it."""
    write_between(PAGE, BEGIN, END, ["", *sections()], __doc__)


def sections() -> Iterator[str]:
    """Yield a table for each process."""
    for title, prefix, table in TABLES:
        yield from (f"### {title}", "", "| metric | type | labels | unit | meaning |", "|---|---|---|---|---|")
        yield from rows(prefix, table)
        yield ""


def rows(prefix: str, table: Iterable[Metric]) -> Iterator[str]:
    """Yield a line for each metric."""
    for each in table:
        labels = ", ".join(f"`{name}`" for name in each.labels) or "-"
        buckets = f" Buckets: {', '.join(f'{bound:g}' for bound in each.buckets)}." if each.buckets else ""
        yield f"| `{prefix}_{each.name}` | {each.kind} | {labels} | {each.unit} | {each.help}{buckets} |"


if __name__ == "__main__":
    main()
