"""Write the statuses into docs/operator.md from the operator's own table; with ``--check`` only compare.

Only what stands between the two markers is made; the rest of the page is written by hand.
"""

import argparse
from collections.abc import Iterator
from typing import Final

from asya_operator.status.table import STATUSES, Rule
from lab.checkout import ROOT
from tools.tree import report, write_or_compare

PAGE: Final = ROOT / "docs" / "operator.md"
BEGIN: Final = "<!-- statuses:begin -->"
END: Final = "<!-- statuses:end -->"


def main() -> None:
    """Write the page's part, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 when the page differs")
    arguments = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        report("docs_operator", [f"{PAGE.relative_to(ROOT)}: needs the markers {BEGIN} and {END}, in this order"], "")
    made = "\n".join([before + begin, "", *table(), "", *runbook(), end + after])
    write_or_compare(PAGE, made, check=arguments.check, command="make docs")


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
