"""What goes wrong before the engine runs."""


class EngineError(Exception):
    """There is no engine and none can be built; the text names cause and cure."""
