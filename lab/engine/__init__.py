"""The Pulumi engine: the `pulumi` on PATH, or the pinned one built from its Go modules; ``python -m lab.engine``.

Users get Pulumi from its publisher and it is then found on PATH. Where there is none but Go is, the pinned version is
built once per machine, with a host for Python programs, from nothing but the Go module proxy.
"""
