"""RabbitMQ, through pika; no module outside of this folder imports it."""
