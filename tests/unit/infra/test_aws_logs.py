"""Log groups of AWS's services under mocks: none is found in the way after something was made."""

from typing import Any

import pytest

from asya_aws.logs import own_name
from asya_infra.errors import ConfigError
from tests.support.pulumi_program import FUNCTIONS, run_environment

pytestmark = pytest.mark.unit

GROUP = "/aws/eks/asya-aws/cluster"
OURS = {"asya:project": "asya", "asya:stack": "aws"}


def there(monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], name: str = GROUP) -> None:
    """A group that the account has."""
    answers: dict[str, dict[str, Any]] = {"getLogGroups": {"logGroupNames": [name]}, "getLogGroup": {"tags": tags}}
    for function, answer in answers.items():
        monkeypatch.setitem(FUNCTIONS, f"aws:cloudwatch/{function}:{function}", answer)


def test_what_an_earlier_cluster_left_is_refused_in_the_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    there(monkeypatch, {})
    with pytest.raises(ConfigError, match=f"asya:cluster: eks writes to .*delete-log-group --log-group-name {GROUP}"):
        run_environment("aws", keda="installed", preview=True)


def test_the_stack_s_own_group_and_others_are_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    for tags, name in ((OURS, GROUP), ({}, f"{GROUP}-2")):
        there(monkeypatch, tags, name)
        made = run_environment("aws", keda="installed", tags={"team": "search"}).one("aws:cloudwatch/logGroup:LogGroup")
        assert made.inputs["name"] == GROUP


def test_groups_of_pods_are_looked_for_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    there(monkeypatch, {}, "/aws/containerinsights/asya-aws/host")
    with pytest.raises(ConfigError, match="delete-log-group --log-group-name /aws/containerinsights/asya-aws/host"):
        run_environment("aws", keda="installed", podLogs="true")


@pytest.mark.parametrize("found", [None, {}, {"asya:project": "asya"}, {**OURS, "asya:stack": "prod"}])
def test_another_stack_s_group_is_not_ours(found: dict[str, str] | None) -> None:
    with pytest.raises(ConfigError):
        own_name(GROUP, OURS, found)
    assert own_name(GROUP, OURS, OURS | {"team": "search"}) == GROUP


def test_a_cluster_on_its_way_out_logs_nothing() -> None:
    """EKS would write it after the end, into a group that it makes anew (terraform-aws-eks #2763)."""
    cluster = "aws:eks/cluster:Cluster"
    logs = {
        protect: run_environment("aws", keda="installed", protect=protect).one(cluster).inputs["enabledClusterLogTypes"]
        for protect in ("true", "false")
    }
    assert logs == {"true": ["api", "audit", "authenticator"], "false": []}
