"""Users of the servers in the cluster: each with a password of its own, and no more rights than its part needs."""

import base64
import hashlib
import json
import re

import pytest

from asya_oss.accounts import accounts, definitions, derived

pytestmark = pytest.mark.unit

PARTS = (
    "rabbitmq/actors",
    "rabbitmq/gateway",
    "rabbitmq/operator",
    "rabbitmq/scaler",
    "postgres/gateway",
    "postgres/owner",
)


def test_each_part_has_a_password_of_its_own_that_never_changes() -> None:
    found = [derived("root", part) for part in PARTS]
    assert len(set(found)) == len(PARTS)
    assert found == [derived("root", part) for part in PARTS]
    assert all(re.fullmatch("[0-9a-f]{48}", each) for each in found)
    assert derived("other", PARTS[0]) not in found


@pytest.mark.parametrize(
    ("part", "name", "may_make", "may_use"),
    [
        ("actors", "asya-x", False, True),
        ("actors", "asya-x-dlq", False, True),
        ("actors", "amq.default", False, True),
        ("actors", "asya_delay_3", True, True),
        ("actors", "asya_delay_return", True, True),
        ("actors", "others", False, False),
        ("actors", "myasya-x", False, False),
        ("gateway", "asya-x", False, True),
        ("operator", "asya-x", True, True),
        ("operator", "asya", True, True),
        ("operator", "others", False, False),
        ("scaler", "asya-x", False, False),
    ],
)
def test_what_a_user_may_make_and_use(part: str, name: str, *, may_make: bool, may_use: bool) -> None:
    account = accounts("asya-")[part]
    assert bool(re.search(account.configure, name)) is may_make
    assert bool(re.search(account.use, name)) is may_use


def test_a_mesh_with_another_prefix_has_no_right_to_ours() -> None:
    other = accounts("dev-")["operator"]
    assert [bool(re.search(other.configure, name)) for name in ("asya-x", "dev-x", "devx")] == [False, True, False]


def test_rabbitmq_can_check_the_password_and_nobody_can_read_it() -> None:
    account = accounts("asya-")["actors"]
    text = definitions([(account, "s3cret")])
    (user,) = json.loads(text)["users"]
    raw = base64.b64decode(user["password_hash"])
    assert raw[4:] == hashlib.sha256(raw[:4] + b"s3cret").digest()
    assert "s3cret" not in text
    assert text == definitions([(account, "s3cret")])
