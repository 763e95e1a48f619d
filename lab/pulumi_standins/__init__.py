"""Stand-ins for Pulumi's resource plugins, for hosts where the real ones cannot be had.

What is real in a test that uses them: the engine, the host of Python programs, our programs and components, state files,
secrets in them, the order of creates, replacements and deletes, and what the engine asks of a plugin, over its own wire.

What stands in: the two plugin processes themselves.

- ``aws`` turns each resource into the calls that AWS documents for it: to LocalStack, and for EKS, RDS and EC2 to moto.
  Those emulate AWS; what neither knows (``aws/emulated.py`` lists it) is kept in a file and proves nothing about AWS.
- ``kubernetes`` applies each object on a real API server, as the real plugin does; or, where there is none, keeps it in a
  folder after checking it against Kubernetes' own OpenAPI document and the schemas of the custom resources among them.

An input is refused whose name or type there is not: by the type information of the plugin's Python SDK for AWS, by the API
server or its schemas for Kubernetes. Not proven: defaults that the real plugins fill in, ranges, rules between fields, and
when AWS replaces a resource (``force_new`` is taken from its docs).
"""
