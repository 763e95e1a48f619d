"""The object store behind one port: it keeps results, errors, large payloads, fan-in groups and cancels.

``port`` is what every store promises; ``folder`` and ``s3`` are the stores; ``factory`` opens the one that is set.
"""
