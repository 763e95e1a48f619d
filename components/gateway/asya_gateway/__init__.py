"""The gateway: pipelines as tools over MCP and HTTP, every envelope followed to its end.

``records`` holds the rules of an envelope's life and is pure; ``store`` keeps records behind one port. HTTP routes are in
``routes``, MCP in ``mcp``, authentication in ``access``, the actors of the console in ``actors``. ``main`` starts a process.
"""
