"""What the stand-ins answer the engine, as values."""

import json
from typing import Any

import pytest

from lab.pulumi_standins import answers, sdk_types
from lab.pulumi_standins.aws.iam import Role
from lab.pulumi_standins.aws.sqs import Queue
from lab.pulumi_standins.kind import Kind
from lab.pulumi_standins.wire import UNKNOWN, dump, is_unknown, load, repeating_secrets, secret_keys

QUEUE = "aws:sqs/queue:Queue"


def named(kind: Kind[Any], news: dict[str, Any], olds: dict[str, Any], proposed: str = "") -> dict[str, Any]:
    return answers.named(kind, news, olds, proposed=proposed, logical="box", seed=b"seed")


def test_secrets_are_marked_and_opened() -> None:
    """Whole properties travel as secrets, and outputs that repeat one are found."""
    struct = dump({"name": "a", "tags": {"token": "t0p"}, "delay": 30}, {"tags"})
    assert load(struct) == {"name": "a", "tags": {"token": "t0p"}, "delay": 30}
    assert secret_keys(struct) == {"tags"}
    assert repeating_secrets({"tagsAll": {"token": "t0p", "env": "x"}, "url": "u"}, struct) == {"tagsAll"}


def test_unknown_is_found_at_any_depth() -> None:
    """A list in a map in a list."""
    assert is_unknown([{"a": [1, UNKNOWN]}]) and not is_unknown([{"a": [1, "x"]}])


def test_an_automatic_name_is_kept_and_a_given_one_is_not_touched() -> None:
    """The engine's proposal for the first, what it had for the next; without olds a replacement gets a fresh one."""
    first = named(Queue(), {}, {}, "box-proposed")
    assert first == {"name": "box-proposed", "__defaults": ["name"]}
    assert named(Queue(), {}, first, "another")["name"] == "box-proposed"
    assert named(Queue(), {}, {})["name"].startswith("box-")
    assert named(Queue(), {"name": "mine"}, first) == {"name": "mine"}


def test_differences_are_in_meaning() -> None:
    """A policy written in another order is the same; an ignored path is not looked at; some changes replace."""
    old = {"name": "a", "policy": '{"a": 1, "b": 2}', "scaling": {"min": 1, "desired": 2}}
    new = {"name": "b", "policy": '{"b": 2, "a": 1}', "scaling": {"min": 1, "desired": 9}, "delay": 5}
    found = answers.changes(old, new, {"name"}, ["scaling.desired"])
    assert [(c.name, c.code, c.replaces) for c in found] == [("delay", 0, False), ("name", 5, True)]


def test_drift_is_only_in_what_was_declared() -> None:
    """The service's own defaults are no drift; an import declares everything."""
    live = {"delay": 99, "policy": '{"b":2,"a":1}', "retention": 345_600}
    assert answers.drifted({"delay": 30, "policy": '{"a": 1, "b": 2}'}, live) == {
        "delay": 99,
        "policy": '{"a": 1, "b": 2}',
    }
    assert answers.drifted({}, live) == live


def test_a_service_may_add_to_an_input() -> None:
    """Inputs win, what the service added stays."""
    outputs = {"vpc": {"subnets": ["old"], "group": "sg-1"}, "arn": "x"}
    assert answers.combined(outputs, {"vpc": {"subnets": ["a"]}}) == {
        "vpc": {"subnets": ["a"], "group": "sg-1"},
        "arn": "x",
    }


def test_a_replacement_waits_only_for_a_name_that_the_program_fixed() -> None:
    """An automatic one is made anew."""
    fixed = {"name": "a", "fifoQueue": True}
    assert Queue().collides({"name": "a"}, fixed)
    assert not Queue().collides({"name": "a-1"}, {**fixed, "name": "a-1", "__defaults": ["name"]})


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"visibilityTimeout": 5}, ("visibilityTimeout", "unknown property")),
        ({"visibilityTimeoutSeconds": "5"}, ("visibilityTimeoutSeconds", "int is wanted, not str")),
        ({"tags": ["a"]}, ("tags", "a map is wanted")),
        ({"tags": {"a": 1}}, ("tags.a", "str is wanted, not int")),
        ({"visibilityTimeoutSeconds": 99_999}, ("visibilityTimeoutSeconds", "expected 0 to 43200, got 99999")),
        (
            {"kmsMasterKeyId": "k", "sqsManagedSseEnabled": True},
            ("kmsMasterKeyId", "conflicts with sqsManagedSseEnabled"),
        ),
    ],
)
def test_what_the_real_plugin_would_refuse_is_refused(inputs: dict[str, Any], says: tuple[str, str]) -> None:
    """By the SDK's types, then by the rules of the service."""
    assert answers.refusals(Queue(), QUEUE, inputs, "pulumi_aws") == [says]


def test_required_and_nested_inputs_are_checked() -> None:
    """A missing one by its path, a wrong one inside of another by its own."""
    assert sdk_types.problems("aws:kms/alias:Alias", {"name": "alias/a"}, "pulumi_aws") == [("targetKeyId", "required")]
    found = sdk_types.problems(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        {"clusterName": UNKNOWN, "namespace": "a", "serviceAccount": "b", "roleArn": 5},
        "pulumi_aws",
    )
    assert found == [("roleArn", "str is wanted, not int")]


def test_a_role_refuses_what_is_no_policy() -> None:
    """The version that AWS has, keys that a statement has, a name within its limit."""
    statement = {"Effect": "Allow", "Principals": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert Role().check({"assumeRolePolicy": trust}) == [("assumeRolePolicy", "a statement has no Principals")]
    assert Role().check({"name": "x" * 65})[0][0] == "name"
