"""How long a delivery may wait for its acknowledgement on RabbitMQ, as far as that is ours to say.

A broker takes back what is not acknowledged within its ``consumer_timeout``, 30 minutes by default, and closes the channel:
a handler that runs longer would be run again and again. Sidecars have time limits of their own, so ours is longer than any
handler. Who is asked depends on the broker's version:

* 3.11.15 and later 3.11: an argument of the AMQP consumer, or of the queue;
* 3.12 to 4.2: an argument of the queue (https://github.com/rabbitmq/rabbitmq-server/pull/8260 took the consumer's away);
* from 4.3 on: either, for quorum queues; classic ones have no such timeout any more, and may refuse the argument
  (https://github.com/rabbitmq/rabbitmq-server/blob/main/consumer_timeouts.md, .../issues/17144);
* before: ``rabbitmq.conf`` alone (https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout).

So both arguments are always given; a broker that does not know one ignores it.
"""

from typing import Final

ACK_TIMEOUT_MS: Final = 7 * 86_400_000
"""Seven days; the broker counts it in a signed integer of 32 bits, which ends after 24."""
ARGUMENT: Final = "x-consumer-timeout"
ARGUMENTS: Final[dict[str, int]] = {ARGUMENT: ACK_TIMEOUT_MS}
