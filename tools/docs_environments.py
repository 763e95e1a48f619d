"""Write the pictures, the roles, the costs and the settings into docs/environments.md; with ``--check`` only compare.

What stands between two markers is made: a picture from a run of the program under mocks, the roles from the IAM documents,
the costs from the defaults and list prices, the settings from their dataclasses. The rest is written by hand.
"""

import argparse
import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from asya_aws import policies
from asya_aws.node_objects import DISK
from asya_aws.scope import Scope
from asya_aws.settings import AwsSettings
from asya_infra.settings import VERSION
from lab.checkout import ROOT
from tests.support.pulumi_program import Run, Seen, run_environment
from tools.docstrings import classes, fields
from tools.tree import report, write_or_compare

PAGE: Final = ROOT / "docs" / "environments.md"
SETTINGS: Final = ("infra/core/asya_infra/settings.py", "infra/aws/asya_aws/settings.py")
HOURS: Final = 730
"""In a month."""
LISTED: Final = 4
"""Kinds of resources that a picture's node names."""
PRICES: Final[Mapping[str, float]] = {
    "EKS control plane": 0.10,
    "m7i.large": 0.1008,
    "t3.large": 0.0832,
    "NAT gateway": 0.045,
    "db.t4g.micro": 0.016,
    "gp3 GiB-month": 0.08,
    "RDS gp3 GiB-month": 0.115,
    "KMS key-month": 1.0,
    "SQS million requests": 0.40,
}
"""USD, list prices of us-east-1; by the hour where nothing else is said."""
AUTO_TYPE: Final = "m7i.large"
AUTO_NODES: Final = 2
"""What Auto Mode starts for the operator, KEDA and the crew; it chooses the cheapest that fits that day."""
AUTO_FEE: Final = 0.12
"""Source: https://aws.amazon.com/eks/pricing, EKS Auto Mode: about that part of an instance's price on demand."""


def main() -> None:
    """Write the page's parts, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 when the page differs")
    arguments = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    for name, lines in parts().items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            report("docs_environments", [f"{PAGE.relative_to(ROOT)}: needs the markers {begin} and {end}"], "")
        text = "\n".join([before + begin, "", *lines, "", end + after])
    write_or_compare(PAGE, text, check=arguments.check, command="make docs")


def parts() -> dict[str, list[str]]:
    """What is made, by the name of its markers."""
    made = {f"graph-{name}": list(graph(run(name))) for name in ("local", "oss", "localstack", "aws")}
    return {**made, "roles": list(roles()), "costs": list(costs()), "settings": list(settings())}


def run(name: str) -> Run:
    """One environment as its file describes it, KEDA taken as installed so that nothing has to be downloaded."""
    return run_environment(name, keda="installed") if name == "aws" else run_environment(name)


def graph(seen: Run) -> Iterator[str]:
    """Draw a stack: a node per component below the stack, an arrow to what it waits for."""
    known = {(each.type, each.name): each for each in seen.resources}
    held: dict[str, Counter[str]] = {}
    arrows: set[tuple[str, str]] = set()
    for each in seen.resources:
        top = topmost(each, known)
        mine = title(top)
        held.setdefault(mine, Counter())
        if each is not top and not each.type.startswith("asya:"):
            held[mine][each.type.rsplit(":", maxsplit=1)[-1]] += 1
        before = {title(topmost(known[key], known)) for key in each.depends if key in known}
        arrows |= {(mine, other) for other in before - {mine}}
    yield from ("```mermaid", "graph BT")
    names = {name: f"n{place}" for place, name in enumerate(sorted(held))}
    for name, node in names.items():
        yield f'  {node}["{label(name, held[name])}"]'
    for source, target in sorted(arrows):
        yield f"  {names[source]} --> {names[target]}"
    yield "```"


def topmost(each: Seen, known: Mapping[tuple[str, str], Seen]) -> Seen:
    """The component right below the stack that a resource belongs to; itself where it belongs to none."""
    while each.parent:
        each = known[each.parent_type, each.parent]
    return each


def title(top: Seen) -> str:
    """What a node is called; the roles of the mesh's own processes are one."""
    if top.type == "asya:aws:PodRole":
        return "roles of operator, KEDA and gateway"
    if top.type.startswith("pulumi:providers:"):
        return f"provider of {top.type.rsplit(':', maxsplit=1)[-1]}"
    return f"{top.type.rsplit(':', maxsplit=1)[-1]} {top.name}"


def label(name: str, held: Mapping[str, int]) -> str:
    """A node's text: its title, and what it holds."""
    ordered = sorted(held.items(), key=lambda item: (-item[1], item[0]))
    first = [f"{count} {what}" for what, count in ordered[:LISTED]]
    more = sum(count for _, count in ordered[LISTED:])
    return "<br/>".join([f"<b>{name}</b>", *first, *([f"{more} more"] if more else [])])


def roles() -> Iterator[str]:
    """Yield the table of IAM roles, from the documents themselves."""
    scope = Scope(region="REGION", account="ACCOUNT", key_arn="the mesh's key", bucket="BUCKET")
    duties = {
        "operator": policies.operator(scope),
        "KEDA": policies.keda(scope),
        "actor `ocr`": policies.actor(scope, "ocr"),
        "actor `ocr` that sends to `grade`": policies.actor(scope, "ocr", ["grade"]),
        "happy-end": policies.crew(scope, "happy-end"),
        "error-end": policies.crew(scope, "error-end"),
        "fan-in": policies.crew(scope, "fan-in"),
        "gateway": policies.gateway(scope),
    }
    yield from ("| role of | may | on |", "|---|---|---|")
    for duty, document in duties.items():
        for place, statement in enumerate(document["Statement"]):
            actions = ", ".join(f"`{action}`" for action in statement["Action"])
            resources = ", ".join(f"`{short(resource)}`" for resource in statement["Resource"])
            yield f"| {duty if place == 0 else ''} | {actions} | {resources} |"


def short(arn: str) -> str:
    """An ARN without what all have in common."""
    return arn.replace("arn:aws:sqs:REGION:ACCOUNT:", "queue ").replace("arn:aws:s3:::", "bucket ")


def costs() -> Iterator[str]:
    """Yield the table of a month's costs at the defaults, nothing running but the mesh itself."""
    own = AwsSettings()
    rows = [
        ("control plane", f"1, at {PRICES['EKS control plane']:.2f} an hour", PRICES["EKS control plane"] * HOURS),
        (
            "nodes that Auto Mode starts",
            f"{AUTO_NODES} {AUTO_TYPE}, at {PRICES[AUTO_TYPE]:.4f} an hour",
            AUTO_NODES * PRICES[AUTO_TYPE] * HOURS,
        ),
        (
            "fee of Auto Mode",
            f"{AUTO_FEE:.0%} of those nodes' price",
            AUTO_FEE * AUTO_NODES * PRICES[AUTO_TYPE] * HOURS,
        ),
        ("their disks", f"{AUTO_NODES} x {DISK}", AUTO_NODES * int(DISK.removesuffix("Gi")) * PRICES["gp3 GiB-month"]),
        ("way out", f"1 NAT gateway, at {PRICES['NAT gateway']:.3f} an hour and GB", PRICES["NAT gateway"] * HOURS),
        ("key", "1", PRICES["KMS key-month"]),
        (
            "SQS",
            f"{requests(1):.1f} million requests with one idle actor, the first million free",
            max(0.0, requests(1) - 1) * PRICES["SQS million requests"],
        ),
    ]
    database = PRICES[own.database_class] * HOURS + own.database_gib * PRICES["RDS gp3 GiB-month"]
    yield from ("| what | how much | USD a month |", "|---|---|---|")
    for what, amount, price in rows:
        yield f"| {what} | {amount} | {price:.0f} |"
    yield f"| **together** | | **{sum(price for *_, price in rows):.0f}** |"
    (group,) = dataclasses.replace(own, compute="node-groups").groups
    nodes = group.min * (PRICES[group.types[0]] * HOURS + group.disk_gib * PRICES["gp3 GiB-month"])
    said = f"{group.min} {group.types[0]}, {group.disk_gib} GiB each, instead of the nodes, fee and disks above"
    yield f"| with `asya:compute node-groups` | {said} | {nodes:.0f} |"
    size = f"1 {own.database_class}, {own.database_gib} GiB"
    yield f"| with a gateway: its database | {size} | {database:.0f} more |"


def requests(actors: int) -> float:
    """Millions of SQS requests a month of an idle mesh: KEDA and the operator count, the crew's three pods poll."""
    seconds = HOURS * 3600
    counting = 2 * (actors + 3) / 10  # KEDA: two triggers of each actor, every 10 s
    looking = 1 / 10 + (actors + 3) / 60  # the operator: a list every 10 s, each queue about once a minute
    polling = 3 / 20  # one long poll of 20 s per pod of the crew
    return (counting + looking + polling) * seconds / 1e6


def settings() -> Iterator[str]:
    """Yield a table per dataclass of settings."""
    for name in SETTINGS:
        path = ROOT / name
        for each in classes(path):
            rows = [f"| {key} | {written(default)} | {meaning} |" for key, default, meaning in fields(each)]
            if rows:
                yield from (f"From `{name}`:", "", "| key | default | meaning |", "|---|---|---|", *rows, "")


def written(default: str) -> str:
    """A default as a reader knows it: those of an environment are its preset's, versions are ours."""
    if default == "required":
        return "the environment's"
    return (
        default.replace("f'", "")
        .replace("{VERSION}", VERSION)
        .replace("('", "")
        .replace("',)", "")
        .replace("()", "none")
    )


if __name__ == "__main__":
    main()
