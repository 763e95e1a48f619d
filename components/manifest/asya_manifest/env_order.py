"""Environment entries in Kubernetes' order, each name once. Pure.

Kubernetes takes entries from first to last: a later one of a name replaces the earlier, and ``$(NAME)`` in a value stands for
what NAME is at that place. Server-side apply refuses two entries of one name, so that the list is written without repetition.
https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from asya_manifest.errors import Problem, quoted
from asya_manifest.pod import EnvVar
from asya_manifest.problems import RuleBroken

_REFERENCE: Final = re.compile(r"\$\$|\$\(([^()]*)\)")


def in_order(entries: Sequence[EnvVar]) -> list[EnvVar]:
    """Write a list in which every name stands once, and that gives a container the same environment.

    The last entry of a name stays, in its place. Where an entry refers to one that is replaced later, its text stands instead.

    Raises:
        RuleBroken: An entry refers to one without a text (``valueFrom``) that is replaced later; the path is an index.
    """
    last = {entry.name: index for index, entry in enumerate(entries)}
    seen: dict[str, EnvVar] = {}
    kept = []
    for index, given in enumerate(entries):
        entry = _with_texts(given, index, seen, last)
        seen[entry.name] = entry
        if last[entry.name] == index:
            kept.append(entry)
    return kept


def _with_texts(entry: EnvVar, index: int, seen: Mapping[str, EnvVar], last: Mapping[str, int]) -> EnvVar:
    """The entry without references to what is set again at its place or later."""

    def text_of(found: re.Match[str]) -> str:
        name = found.group(1)
        if name is None or last.get(name, -1) < index:
            return found.group(0)
        if name not in seen:
            return f"$${found.group(0)[1:]}"  # not defined yet, so that Kubernetes leaves the text as it is
        if seen[name].value_from is not None:
            text = f"refers to {quoted(name)}, which is no plain value and is set again later; give one of them another name"
            raise RuleBroken(Problem(f"[{index}].value", text))
        return seen[name].value or ""

    return entry.model_copy(update={"value": _REFERENCE.sub(text_of, entry.value)}) if entry.value else entry


def refers_to(entries: Sequence[EnvVar], name: str) -> bool:
    """Whether a value refers to a variable."""
    return any(found.group(1) == name for entry in entries for found in _REFERENCE.finditer(entry.value or ""))
