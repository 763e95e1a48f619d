"""Which handlers can be actors, and by what name a runtime imports them."""

import functools
import os.path

import pytest

from asya.testing import Actor, ActorNotUsable, Pipeline
from asya.testing.actor import dotted_name, read_actor
from tests.support.handlers import steps


class Shouter:
    """A class whose method is a handler."""

    def process(self, payload):
        return payload

    @classmethod
    def build(cls, payload):
        return payload

    def __call__(self, payload):
        return payload


@functools.wraps(steps.add_one)
def wrapped(payload):
    return payload


def replaced(payload):
    return payload


original, replaced = replaced, steps.split


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        ("greeter.greet", "greeter.greet"),
        ("pack.age.Greeter.process", "pack.age.Greeter.process"),
        (steps.add_one, "tests.support.handlers.steps.add_one"),
        (Shouter.process, f"{__name__}.Shouter.process"),
        (Shouter.build, f"{__name__}.Shouter.build"),
        (os.path.basename, "posixpath.basename"),
    ],
)
def test_a_handler_is_named_as_its_runtime_imports_it(handler, name):
    assert dotted_name(handler) == name


@pytest.mark.parametrize(
    ("handler", "cause"),
    [
        (lambda payload: payload, "a lambda cannot be a handler: the runtime imports handlers by name"),
        (Shouter().process, "is bound to an object; give Shouter.process of the class"),
        (Shouter(), "an object of type Shouter has no name"),
        (functools.partial(steps.add_one), "an object of type partial has no name"),
        (wrapped, "is not this function; was it replaced"),
        (original, "is not this function; was it replaced"),
        ("greet", "must be module.function or module.Class.method"),
        ("greeter:greet", "must be module.function or module.Class.method"),
        ("", "must be module.function or module.Class.method"),
    ],
)
def test_what_no_name_leads_to_cannot_be_a_handler(handler, cause):
    with pytest.raises(ActorNotUsable, match=cause):
        Pipeline({"greet": handler})


def test_a_function_inside_a_function_cannot_be_a_handler():
    def inner(payload):
        return payload

    with pytest.raises(ActorNotUsable, match="only exists inside a function"):
        Pipeline({"greet": Actor(inner)})


def test_a_function_of_the_program_itself_cannot_be_a_handler():
    class Program:
        """As a function of a script looks."""

        __module__, __qualname__ = "__main__", "greet"

    with pytest.raises(ActorNotUsable, match="move it to a module of its own"):
        dotted_name(Program)


@pytest.mark.parametrize("name", ["Greet", "greet_all", "-greet", "greet-", "", "g" * 64, "greet ", "a.b"])
def test_a_name_that_no_mesh_would_take_is_refused(name):
    with pytest.raises(ActorNotUsable, match="a name has lowercase letters"):
        Pipeline({name: "greeter.greet"})


@pytest.mark.parametrize("name", ["happy-end", "error-end"])
def test_the_ends_of_routes_take_no_handler(name):
    with pytest.raises(ActorNotUsable, match="ends every route by itself"):
        Pipeline({name: "greeter.greet"})


def test_a_bare_handler_has_the_meshs_attempts_without_its_pauses():
    actor = read_actor("greet", "greeter.greet")
    assert (actor.mode, actor.max_deliveries, actor.retry.max_attempts) == ("payload", 5, 3)
    assert actor.retry.delay_s(3, 0.9) == 0
