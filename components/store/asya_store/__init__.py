"""The object store, as one port: where results, errors, large payloads and collected fan-outs are kept.

``port`` is what every store promises; ``folder`` and ``s3`` are the stores; ``factory`` opens the one that is set.
"""
