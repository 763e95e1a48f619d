"""The HTTP routes, one module per resource, and their description as OpenAPI."""
