"""What ``asya-mcp`` and ``asya-mcp-forward`` print: Asya 0.1.1's marks on stderr, results alone on stdout."""

import sys

from asya_cli.plain_text import plain


def say(text: str) -> None:
    """Tell what goes on."""
    _line("[.]", text)


def good(text: str) -> None:
    """Tell that something went well."""
    _line("[+]", text)


def warn(text: str) -> None:
    """Tell that something may not be as meant."""
    _line("[!]", text)


def bad(text: str) -> None:
    """Tell what went wrong."""
    _line("[-]", text)


def _line(mark: str, text: str) -> None:
    print(plain(f"{mark} {text}"), file=sys.stderr, flush=True)
