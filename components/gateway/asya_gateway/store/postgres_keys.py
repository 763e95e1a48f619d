"""Keys of calls in Postgres: the statements on the table ``asya_call_keys``, whose primary key makes a call's envelope one."""

from typing import Final, LiteralString

TAKE: Final[LiteralString] = """taken AS (
INSERT INTO asya_call_keys (digest, arguments, envelope_id, sending_until, ends_at)
VALUES (%(digest)s, %(arguments)s, %(id)s, now() + %(sending_s)s * interval '1 second',
    now() + %(kept_s)s * interval '1 second')
ON CONFLICT (digest) DO UPDATE SET arguments = excluded.arguments, envelope_id = excluded.envelope_id, calls = 1,
    sending_until = excluded.sending_until, ends_at = excluded.ends_at
    WHERE asya_call_keys.ends_at <= now()
RETURNING digest)"""
"""Returns a row where the key was free: one that is being taken at the same time is waited for."""

REPEAT: Final[LiteralString] = """
UPDATE asya_call_keys SET calls = calls + 1 WHERE digest = %s AND ends_at > now()
RETURNING envelope_id, arguments, calls, sending_until"""

READ_KEY: Final[LiteralString] = (
    "SELECT envelope_id, arguments, calls, sending_until FROM asya_call_keys WHERE digest = %s"
)

SENT: Final[LiteralString] = "UPDATE asya_call_keys SET sending_until = NULL WHERE digest = %s RETURNING digest"

TAKE_OVER: Final[LiteralString] = """
UPDATE asya_call_keys SET sending_until = now() + %s * interval '1 second' WHERE digest = %s AND sending_until <= now()
RETURNING digest"""

FORGET_KEYS: Final[LiteralString] = """
WITH gone AS (DELETE FROM asya_call_keys WHERE ends_at <= now() RETURNING digest) SELECT count(*) FROM gone"""
