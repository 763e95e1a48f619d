"""The Model Context Protocol: its endpoint, its messages, streams and tasks."""
