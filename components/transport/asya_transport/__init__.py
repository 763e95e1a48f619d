"""Transports: one port (``port``), three implementations (``memory``, ``sqs``, ``rabbitmq``), chosen by ``factory``.

Everything that knows a broker's client library lives here, one module per library; foreign exceptions become the
errors of ``asya_protocol.errors`` at that door.
"""
