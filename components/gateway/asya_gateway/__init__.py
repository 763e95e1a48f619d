"""The gateway: pipelines as tools over MCP and HTTP, every envelope followed to its end.

Pure: ``record``, ``lifecycle``, ``tools``, ``arguments``. Stores behind one port in ``store``. What is asked over HTTP is in
``app`` and the ``*_routes`` modules, the JSON-RPC of ``/mcp`` in ``mcp``.
"""
