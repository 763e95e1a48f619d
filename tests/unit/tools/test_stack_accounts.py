"""What is asked before an AWS account is changed."""

import pytest

from tools.stack import accounts
from tools.stack.errors import StackError


@pytest.mark.parametrize(
    ("preset", "environ"),
    [("oss", {}), ("aws", {"PULUMI_BACKEND_URL": "s3://states"}), ("aws", {"ASYA_LOCAL_STATE": "1"})],
)
def test_state_that_others_find_is_fine(preset: str, environ: dict[str, str]) -> None:
    """And any state where no account is concerned."""
    accounts.check_state(preset, "prod", environ)


def test_state_of_an_account_in_a_checkout_alone_is_refused() -> None:
    """It would be lost with the checkout, and the account would keep what costs."""
    with pytest.raises(StackError, match=r"set PULUMI_BACKEND_URL to a bucket .* or ASYA_LOCAL_STATE=1 for a trial"):
        accounts.check_state("aws", "prod", {})


@pytest.mark.parametrize(
    ("preset", "arguments", "asks"),
    [
        ("oss", [], False),
        ("aws", [], True),
        ("aws", ["--refresh"], True),
        ("aws", ["--yes"], False),
        ("aws", ["-y"], False),
    ],
)
def test_only_an_account_is_asked_about(preset: str, arguments: list[str], asks: bool) -> None:
    """Unless it was said."""
    assert accounts.must_ask(preset, arguments) is asks


def test_somebody_types_the_name() -> None:
    """A plain yes is typed too easily."""
    accounts.ask("prod", "remove", terminal=True, read=lambda _: "prod")
    with pytest.raises(StackError, match="nothing was changed"):
        accounts.ask("prod", "remove", terminal=True, read=lambda _: "y")
    with pytest.raises(StackError, match="ARGS=--yes"):
        accounts.ask("prod", "make", terminal=False)
