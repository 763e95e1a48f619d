"""What every test here starts from."""

from lab.servers.memory import memory_environ

__all__ = ["memory_environ"]
