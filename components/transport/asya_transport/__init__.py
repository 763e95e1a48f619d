"""The brokers behind one port (``port``): ``memory``, ``sqs`` and ``rabbitmq``, chosen by ``factory``.

Everything that knows a broker's client library lives here, in a folder per broker, whose ``errors`` module turns the
library's exceptions into those of ``asya_protocol.errors``.
"""
