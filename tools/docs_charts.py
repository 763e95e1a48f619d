"""Write what is generated of deploy/helm-charts from the manifests in deploy; with ``--check`` only compare.

Generated are the templates of the objects that ``deploy`` has, the helpers, the definition, and every values.schema.json, which
is read off the values' defaults and the tables of `tools.charts_tables`. By hand are Chart.yaml, values.yaml, NOTES.txt and the
templates of what ``deploy`` has as an example only.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from asya_manifest.cluster_needs import HOLES, KEDA_DEFINITION, NEEDS, VERSION_LABEL, cure
from asya_operator.crd import dump_crd, dump_limit_crd
from lab.checkout import ROOT
from tools.charts_schema import actor_schema, values_schema
from tools.charts_tables import CHARTS, SCHEMAS
from tools.charts_template import HELPERS, Template
from tools.tree import write_all

DEPLOY: Final = ROOT / "deploy"
FOLDER: Final = DEPLOY / "helm-charts"
ACCEPT: Final = "preflight.acceptKnownHoles"
_NOT_ACCEPTED: Final = "(not ((.Values.preflight).acceptKnownHoles)) "
"""Also where `helm upgrade --reuse-values` keeps the values of a chart that had no preflight."""
_IN_MAP: Final = re.compile(r"\.Values\.(\w+)\.(\w+)")
HEADER: Final = "{{- /* Made from deploy/SOURCE by `make docs`. */ -}}\n"

START: Final = "---\n"
"""Helm 3 prints the files as they are (``helm show crds``), and kubectl would take several for one object: the last of them."""


def main() -> None:
    """Write the files, or compare them."""
    write_all(files(), __doc__)


def files() -> Iterator[tuple[Path, str]]:
    """Yield every generated file and its text."""
    for chart, sources in CHARTS.items():
        yield FOLDER / chart / "templates/_helpers.tpl", HELPERS.replace("CHART", chart)
        for source in sources:
            yield FOLDER / chart / "templates" / Path(source).name, template(chart, source)
    definition: dict[str, Any] = yaml.safe_load(dump_crd())
    for chart in SCHEMAS:
        values = yaml.safe_load((FOLDER / chart / "values.yaml").read_text(encoding="utf-8")) or {}
        made = actor_schema(values, definition) if chart == "asya-actor" else values_schema(chart, values)
        yield FOLDER / chart / "values.schema.json", json.dumps(made, indent=2) + "\n"
    yield FOLDER / "asya-operator/templates/_preflight.tpl", preflight()
    yield FOLDER / "asya-operator/crds/asyncactors.yaml", f"{START}{dump_crd()}"
    yield FOLDER / "asya-crds/templates/asyncactors.yaml", kept(definition)
    for board in sorted((DEPLOY / "monitoring" / "dashboards").glob("*.json")):
        yield FOLDER / "asya-operator/dashboards" / board.name, board.read_text(encoding="utf-8")
    yield FOLDER / "asya-operator/crds/limits.yaml", f"{START}{dump_limit_crd()}"
    yield FOLDER / "asya-crds/templates/limits.yaml", kept(yaml.safe_load(dump_limit_crd()))


def template(chart: str, source: str) -> str:
    """One file of templates from one file of manifests."""
    parts = []
    for thing in yaml.safe_load_all((DEPLOY / source).read_text(encoding="utf-8")):
        condition, edits = CHARTS[chart][source][thing["kind"]]
        made = Template(chart, edits).render(thing)
        # A release that reuses the values of the chart before lacks the maps that are new.
        condition = _IN_MAP.sub(r"(.Values.\1).\2", condition)
        parts.append(f"{{{{- if {condition} }}}}\n---\n{made}{{{{- end }}}}\n" if condition else f"---\n{made}")
    return HEADER.replace("SOURCE", source) + "".join(parts)


def preflight() -> str:
    """What refuses an unfit cluster; Helm itself asks for Kubernetes' version, by Chart.yaml.

    Only an installation sees the cluster: `helm template` finds no KEDA there, and lets it be.
    """
    lines = [
        "{{- /* Made from components/manifest/asya_manifest/cluster_needs.py by `make docs`. */ -}}",
        '{{- define "asya-operator.preflight" -}}',
        f'{{{{- $keda := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "{KEDA_DEFINITION}" -}}}}',
        f'{{{{- $version := dig "metadata" "labels" "{VERSION_LABEL}" "" $keda | trimPrefix "v" -}}}}',
        '{{- if regexMatch "^[0-9]+[.][0-9]+([.][0-9]+)?" $version -}}',
    ]
    for need in NEEDS:
        if need.part == "KEDA":
            words = f"KEDA %s is too old: before {need.oldest} {need.why}; {cure('KEDA', need.oldest)}"
            lines += _refused(need.oldest, words, "")
    for hole in HOLES:
        way = f"{cure('KEDA', hole.mended)}, or accept it for now with --set {ACCEPT}=true"
        words = f"KEDA %s has a known hole, {hole.name}: {hole.what}; {way}"
        lines += _refused(hole.mended, words, _NOT_ACCEPTED)
    return "\n".join([*lines, "{{- end -}}", "{{- end }}", ""])


def _refused(before: str, words: str, unless: str) -> list[str]:
    older = f'(semverCompare "<{before}-0" $version)'
    condition = f"and {unless}{older}" if unless else older.strip("()")
    return [f"{{{{- if {condition} -}}}}", f"{{{{- fail (printf {json.dumps(words)} $version) -}}}}", "{{- end -}}"]


def kept(definition: dict[str, Any]) -> str:
    """The definition as a chart's object: Helm updates it, and leaves it, with every actor, where the chart is removed."""
    definition["metadata"].setdefault("annotations", {})["helm.sh/resource-policy"] = "keep"
    return yaml.safe_dump(definition, sort_keys=False, width=10_000, allow_unicode=True).replace("{{", '{{ "{{" }}')


if __name__ == "__main__":
    main()
