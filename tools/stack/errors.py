"""Errors that stop a command before the engine runs."""


class StackError(Exception):
    """The command cannot be run; the text is one line that names cause and cure."""
