"""Class handlers, some of which cannot be constructed. Python 3.7 and later."""

import functools

NOT_CALLABLE = 7


class Plain:
    """No constructor at all."""

    def process(self, payload):
        return payload


class AnyArguments:
    def __init__(self, *args, **kwargs):
        self.given = (args, kwargs)

    def process(self, payload):
        return [payload, list(self.given[0])]


class Counter:
    """State lives as long as the process."""

    def __init__(self, start=0):
        self.count = start

    def process(self, payload):
        self.count += 1
        return {"count": self.count}

    async def process_async(self, payload):
        return self.process(payload)


class NeedsArguments:
    def __init__(self, model, size=1, *, device):
        self.model = model

    def process(self, payload):
        return payload


class Broken:
    def __init__(self):
        raise OSError("weights are missing")

    def process(self, payload):
        return payload


def logged(handler):
    @functools.wraps(handler)
    def call(payload):
        return handler(payload)

    return call


@logged
async def decorated_async(payload):
    return payload


class CallableObject:
    async def __call__(self, payload):
        return payload


callable_object = CallableObject()
partial = functools.partial(decorated_async)
