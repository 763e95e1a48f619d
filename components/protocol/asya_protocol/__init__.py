"""The wire format as plain values: envelopes, names, errors, frames. Every other room uses them; nothing here does I/O.

Rooms above this one (transport, sidecar, crew, operator, gateway) import from its modules directly:
``envelope``, ``framing``, ``reply``, ``status``, ``durations``, ``names``, ``errors``.
Nothing here reads a clock, an environment variable or a socket; time is an argument.
"""
