"""RabbitMQ, by pika; the only modules that import it."""
