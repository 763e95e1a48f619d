"""Writes the tables of docs/performance.md, between its markers, from ``.artifacts/bench.json``: ``python -m bench.page``."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.figures import KEPT, show

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def write_tables(text: str, sections: Mapping[str, Any]) -> str:
    """Put each section's table between ``<!-- bench:name -->`` and ``<!-- end -->``; others stay as they are."""

    def replaced(found: re.Match[str]) -> str:
        section = sections.get(found[1])
        return found[0] if section is None else f"<!-- bench:{found[1]} -->\n\n{markdown(section)}\n\n<!-- end -->"

    return re.sub(r"<!-- bench:(\w+) -->.*?<!-- end -->", replaced, text, flags=re.DOTALL)


def markdown(section: Mapping[str, Any]) -> str:
    """Lay one section out, with where and when it was measured."""
    host = section["host"]
    head = (
        f"{host['date']}, {host['cores']} cores, {host['machine']}, Python {host['python']}; "
        f"load average before: {host['load_before']:g}."
    )
    rows = ["| figure | value | bound | verdict | note |", "|---|---:|---:|---|---|"]
    for figure in section["figures"]:
        value = f"{show(figure['value'])} {figure['unit']}".strip()
        cells = (figure["name"], value, figure.get("bound", ""), figure.get("verdict", ""), figure["note"])
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join([head, "", *rows])


def main() -> None:
    """Refresh the page."""
    PAGE.write_text(write_tables(PAGE.read_text(encoding="utf-8"), json.loads(KEPT.read_text())), encoding="utf-8")
    print(f"docs/{PAGE.name}: tables written")


if __name__ == "__main__":
    main()
