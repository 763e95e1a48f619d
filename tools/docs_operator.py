"""Write the statuses into docs/operator.md from the operator's own table; with ``--check`` only compare.

Only what stands between the two markers is made; the rest of the page is written by hand.
"""

from collections.abc import Iterator
from typing import Final

from asya_operator.status.table import STATUSES, Rule
from lab.checkout import ROOT
from tools.tree import write_between

PAGE: Final = ROOT / "docs" / "operator.md"
BEGIN: Final = "<!-- statuses:begin -->"
END: Final = "<!-- statuses:end -->"


def main() -> None:
    """Write the page's part, or compare it."""
    write_between(PAGE, BEGIN, END, ["", *table(), "", *runbook()], __doc__)


def table() -> Iterator[str]:
    """Yield the table of statuses, in the order in which they are looked for."""
    yield "| status | Event | meaning |"
    yield "|---|---|---|"
    for rule in STATUSES:
        yield f"| [{rule.status}](#{rule.status.lower()}) | {severity(rule)} | {cell(rule.meaning)} |"


def runbook() -> Iterator[str]:
    """Yield a section per status."""
    for rule in STATUSES:
        yield from (f"### {rule.status}", "", f"{rule.meaning} *Look:* {rule.look} *Mend:* {rule.mend}", "")


def severity(rule: Rule) -> str:
    """The type of the Event that tells the status."""
    return "Warning" if rule.warning else "Normal"


def cell(text: str) -> str:
    """A table's cell cannot hold a bar."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
