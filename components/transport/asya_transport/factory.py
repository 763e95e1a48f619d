"""Opens the transport that the settings name; its client library is imported only then."""

from asya_transport.port import QueueAdmin, Transport
from asya_transport.settings import TransportSettings


def open_transport(settings: TransportSettings) -> Transport:
    """Build the transport that the settings name; it is not connected yet."""
    match settings.name:
        case "sqs":
            from asya_transport.sqs.transport import SqsTransport

            return SqsTransport(settings)
        case "rabbitmq":
            from asya_transport.rabbitmq.transport import RabbitMqTransport

            return RabbitMqTransport(settings)
        case "memory":
            from asya_transport.memory.transport import MemoryTransport, open_session

            return MemoryTransport(open_session(settings))


def open_admin(settings: TransportSettings) -> QueueAdmin:
    """Build the queue admin of the transport that the settings name; it connects when first used."""
    match settings.name:
        case "sqs":
            from asya_transport.sqs.admin import SqsAdmin

            return SqsAdmin(settings)
        case "rabbitmq":
            from asya_transport.rabbitmq.admin import RabbitMqAdmin

            return RabbitMqAdmin(settings)
        case "memory":
            from asya_transport.memory.transport import MemoryAdmin, open_session

            return MemoryAdmin(open_session(settings))
