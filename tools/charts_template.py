"""Helm templates from plain Kubernetes objects: what a value decides is put in by a table, the rest stays as it is.

A table leads from a path in an object (``spec/template/spec/containers/manager/image``; an item of a list is found by its
``name``, or by its place) to what stands there in the template: a text in place of a value, or one of the classes below.
Labels, selectors, names and namespaces, which Helm wants to depend on the release, need no table.
"""

import copy
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

NAME_LABEL: Final = "app.kubernetes.io/name"
_TOKEN: Final = re.compile(r"^( *)(- )?'?(?:([\w./-]+): )?'?@@(\d+)@@'?(?:: null)?$", re.MULTILINE)
_NAMES: Final = frozenset({"name", "serviceAccountName"})

HELPERS: Final = """\
{{- define "CHART.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $made := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $made .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "CHART.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "CHART.podLabels" -}}
{{ include "CHART.selectorLabels" . }}
app.kubernetes.io/part-of: asya
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "CHART.labels" -}}
{{ include "CHART.selectorLabels" . }}
app.kubernetes.io/part-of: asya
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "CHART.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "CHART.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "asya.names" -}}
{{- range . }}
- {{ .name | quote }}
{{- end }}
{{- end }}

{{- define "CHART.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
"""


@dataclass(frozen=True, slots=True)
class Block:
    """A value that is YAML, or left out where it is empty."""

    expression: str


@dataclass(frozen=True, slots=True)
class More:
    """Further items at the end of a list."""

    expression: str


@dataclass(frozen=True, slots=True)
class If:
    """What stands there, on a condition."""

    condition: str


@dataclass(frozen=True, slots=True)
class Own:
    """The environment of a container, where a value's entries go before those of the same name."""

    expression: str


Edit = str | Block | More | If | Own
Tree = Any
"""What YAML holds: a map, a list, or what stands in them."""


@dataclass(slots=True)
class Template:
    """One object on its way to a template.

    Attributes:
        chart: The chart's name, which is also that of its main object.
        edits: Path, and what stands there.
    """

    chart: str
    edits: Mapping[str, Edit]
    _lines: list[str] = field(default_factory=list)
    _kind_of: defaultdict[tuple[str, ...], str] = field(default_factory=lambda: defaultdict(str))

    def render(self, thing: Mapping[str, Any]) -> str:
        """The template of one object."""
        self._kind_of["metadata", "name"] = thing["kind"]
        tree = self._released(copy.deepcopy(dict(thing)), ())
        for path, edit in self.edits.items():
            self._edit(tree, path.split("/"), edit)
        text = yaml.safe_dump(tree, sort_keys=False, width=10_000, allow_unicode=True)
        text = text.replace("{{", '{{ "{{" }}')  # an object's own, such as an alert's `{{ $labels.queue }}`
        return _TOKEN.sub(self._in_place, text)

    def _released(self, value: Tree, path: tuple[str, ...]) -> Tree:
        """Let labels, names and the namespace depend on the release."""
        if isinstance(value, list):
            return [self._released(each, path) for each in value]
        if not isinstance(value, dict):
            return value
        return {key: self._released_entry(value, key, (*path, key)) for key in value}

    def _released_entry(self, parent: dict[str, Any], key: str, path: tuple[str, ...]) -> Tree:
        value = parent[key]
        if isinstance(value, dict) and NAME_LABEL in value:
            kind = ("podLabels" if "template" in path else "labels") if key == "labels" else "selectorLabels"
            return self._token(f'{{key}}:\n  {{{{- include "{self.chart}.{kind}" . | nindent {{deeper}} }}}}')
        if key == "namespace":
            return self._token("{key}: {{ .Release.Namespace }}")
        if key in _NAMES and isinstance(value, str) and re.match(rf"{self.chart}(-|$)", value):
            account = key == "serviceAccountName" or "ServiceAccount" in (parent.get("kind"), self._kind_of[path])
            helper = "serviceAccountName" if account else "fullname"
            made = value.replace(self.chart, f'{{{{ include "{self.chart}.{helper}" . }}}}', 1)
            return self._token(f"{{key}}: {made}")
        return self._released(value, path)

    def _edit(self, tree: Tree, path: list[str], edit: Edit) -> None:
        *way, last = path
        for step in way:
            if isinstance(tree, dict) and step not in tree:
                tree[step] = {}
            tree = tree[_index(tree, step)]
        key = last if isinstance(tree, dict) else _index(tree, last)
        match edit:
            case str():
                tree[key] = self._token(
                    f"{{key}}:{'' if edit[0] == chr(10) else ' '}{edit}" if isinstance(tree, dict) else f"- {edit}"
                )
            case Block(expression):
                shown = "{key}:\n  {{- toYaml . | nindent {deeper} }}"
                tree[key] = self._token(f"{{{{- with {expression} }}}}\n{shown}\n{{{{- end }}}}")
            case More(expression):
                tree[key].append(self._more(expression))
            case Own(expression):
                given = self._token(f'{{{{- $given := include "asya.names" {expression} | fromYamlArray }}}}')
                tree[key] = [given, *(each for entry in tree[key] for each in self._unless_given(entry))]
                tree[key].append(self._more(expression))
            case If(condition):
                self._wrap(tree, key, condition)

    def _more(self, expression: str) -> str:
        return self._token(f"{{{{- with {expression} }}}}\n{{{{- toYaml . | nindent {{indent}} }}}}\n{{{{- end }}}}")

    def _unless_given(self, entry: Tree) -> list[Tree]:
        if isinstance(entry, str):  # an edit's
            return [entry]
        return [self._token(f'{{{{- if not (has "{entry["name"]}" $given) }}}}'), entry, self._token("{{- end }}")]

    def _wrap(self, tree: Tree, key: str | int, condition: str) -> None:
        opened, closed = self._token(f"{{{{- if {condition} }}}}"), self._token("{{- end }}")
        if isinstance(key, int):
            tree[key : key + 1] = [opened, tree[key], closed]
            return
        entries = list(tree.items())
        place = next(number for number, (name, _) in enumerate(entries) if name == key)
        entries[place : place + 1] = [(opened, None), entries[place], (closed, None)]
        tree.clear()
        tree.update(entries)

    def _token(self, text: str) -> str:
        self._lines.append(text)
        return f"@@{len(self._lines) - 1}@@"

    def _in_place(self, match: re.Match[str]) -> str:
        indent, dash, key, number = match.groups()
        column = len(indent) + (2 if dash and key else 0)
        shown = self._lines[int(number)].replace("{key}", key or "")
        shown = shown.replace("{indent}", str(column)).replace("{deeper}", str(column + 2))
        first, *rest = shown.split("\n")
        return "\n".join(
            [f"{indent}{dash if dash and key else ''}{first}", *(f"{' ' * column}{line}" for line in rest)]
        )


def _index(tree: Tree, step: str) -> str | int:
    if isinstance(tree, dict):
        return step
    if step.isdecimal():
        return int(step)
    return next(n for n, each in enumerate(tree) if isinstance(each, dict) and each.get("name") == step)
