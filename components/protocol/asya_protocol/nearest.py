"""What may have been meant by a name that is not known. Pure."""

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """Name it as the end of a sentence; empty where nothing is near."""
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
