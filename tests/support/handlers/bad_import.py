"""A module of a user that needs something that is not installed."""

import a_library_that_nobody_has  # noqa: F401


def process(payload):
    return payload
