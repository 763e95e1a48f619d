"""What the tests of dashboards start from."""

from lab.servers.memory import memory_environ

__all__ = ["memory_environ"]
