"""What an actor may do on AWS under mocks: rights of its own, accounts of others, and programs of teams."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from asya_infra import AsyncActor, connect
from asya_infra.errors import ConfigError
from asya_manifest.labels import ANNOTATION_AWS_CREDENTIALS
from lab.checkout import ROOT
from tests.support.pulumi_program import STACKS, Run, on_a_cluster, run_environment, run_program

pytestmark = pytest.mark.unit

PAGE = "docs/aws.md"
PLATFORM = "acme/asya/prod"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
MODELS = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::models/*"]}


@pytest.fixture
def platform() -> Iterator[None]:
    """What a stack on AWS exports, as a team's program reads it."""
    exported = run_environment("aws", keda="installed", rolePath="/asya/").exports["platform"]
    STACKS[PLATFORM] = {"platform": exported}
    yield
    STACKS.clear()


def team(declare: Callable[[Any], object], **config: str) -> Run:
    settings = {f"asya:{key}": value for key, value in config.items()}
    return run_program(lambda: declare(connect(stack=PLATFORM)), settings, stack="team")


def allowed(seen: Run, name: str) -> list[dict[str, Any]]:
    return list(json.loads(seen.one("aws:iam/rolePolicy:RolePolicy", name).inputs["policy"])["Statement"])


def ocr(mesh: Any, **more: Any) -> AsyncActor:
    return AsyncActor("ocr", mesh=mesh, image="registry.example/ocr:1", handler="ocr.process", **more)


@pytest.mark.usefixtures("platform")
def test_a_team_s_actor_gets_role_association_and_account() -> None:
    seen = team(ocr)
    bound = seen.one(ASSOCIATION).inputs
    assert (bound["clusterName"], bound["namespace"], bound["serviceAccount"]) == ("asya-aws", "asya", "asya-ocr")
    assert seen.one("aws:iam/role:Role").inputs["path"] == "/asya/"
    own = next(each for each in allowed(seen, "asya-aws-actor-ocr") if each["Sid"] == "OwnQueue")
    assert own["Resource"] == ["arn:aws:sqs:eu-central-1:123456789012:asya-ocr"]
    account = seen.one("kubernetes:core/v1:ServiceAccount").inputs["metadata"]
    actor = seen.one("kubernetes:asya.sh/v1alpha1:AsyncActor")
    assert account["annotations"] == {ANNOTATION_AWS_CREDENTIALS: "true"}
    assert actor.inputs["metadata"]["annotations"][ANNOTATION_AWS_CREDENTIALS] == "true"
    assert (ASSOCIATION, "asya-aws-actor-ocr") in actor.depends
    provider = seen.one("pulumi:providers:aws").inputs
    assert json.loads(provider["allowedAccountIds"]) == ["123456789012"]


@pytest.mark.usefixtures("platform")
def test_a_team_s_program_shows_no_kubeconfig_and_knows_its_queue() -> None:
    def program(mesh: Any) -> None:
        pulumi.export("queue", ocr(mesh).queue_url)

    seen = team(program)
    assert seen.exports["queue"] == "https://sqs.eu-central-1.amazonaws.com/123456789012/asya-ocr"
    assert "kubeconfig" in seen.one("pulumi:providers:kubernetes").secrets


def block(language: str) -> str:
    """The first piece of code of a language in the page about AWS."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    return text.split(f"```{language}\n", 1)[1].split("```", 1)[0]


@pytest.mark.usefixtures("platform")
def test_the_page_s_program_runs() -> None:
    seen = run_program(lambda: exec(block("python"), {}), stack="team")  # noqa: S102 - our own page
    assert {each["Sid"] for each in allowed(seen, "asya-aws-actor-ocr") if "Sid" in each} >= {"OwnQueue", "Send"}
    assert seen.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment")


def test_the_page_s_node_groups_are_made() -> None:
    given = {key.removeprefix("asya:"): value for key, value in yaml.safe_load(block("yaml")).items()}
    seen = run_environment("aws", keda="installed", **given)
    assert [each.name for each in seen.of_type("aws:eks/nodeGroup:NodeGroup")] == ["asya-aws-cpu", "asya-aws-gpu"]


@pytest.mark.usefixtures("platform")
def test_sends_to_narrows_a_team_s_role() -> None:
    seen = team(lambda mesh: ocr(mesh, sends_to=["grade"]))
    send = next(each for each in allowed(seen, "asya-aws-actor-ocr") if each["Sid"] == "Send")
    assert {arn.rpartition(":")[2] for arn in send["Resource"]} == {
        "asya-ocr",
        "asya-grade",
        "asya-happy-end",
        "asya-error-end",
    }


@pytest.mark.usefixtures("platform")
def test_policies_add_to_a_role() -> None:
    arn = "arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"
    seen = team(lambda mesh: ocr(mesh, policies=[MODELS, arn]))
    assert allowed(seen, "asya-aws-actor-ocr-own") == [MODELS]
    attached = seen.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment").inputs
    assert attached["policyArn"] == arn
    assert any(each["Sid"] == "OwnQueue" for each in allowed(seen, "asya-aws-actor-ocr"))


@pytest.mark.usefixtures("platform")
def test_an_account_of_one_s_own_gets_the_role() -> None:
    """It is neither made nor replaced, and no role goes to an account that nobody uses."""
    seen = team(lambda mesh: ocr(mesh, service_account="models-reader"))
    assert seen.of_type("kubernetes:core/v1:ServiceAccount") == []
    assert seen.one(ASSOCIATION).inputs["serviceAccount"] == "models-reader"
    trust = json.loads(seen.one("aws:iam/role:Role").inputs["assumeRolePolicy"])["Statement"][0]
    assert trust["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-service-account"] == "models-reader"
    pod = seen.one("kubernetes:asya.sh/v1alpha1:AsyncActor").inputs["spec"]["workload"]["template"]["spec"]
    assert pod["serviceAccountName"] == "models-reader"


def test_a_stack_that_is_no_mesh_is_said() -> None:
    STACKS[PLATFORM] = {"something": "else"}
    with pytest.raises(ConfigError, match="asya:platform: acme/asya/prod exports no 'platform'"):
        team(ocr)
    STACKS.clear()


def test_a_platform_without_a_cloud_has_no_roles() -> None:
    STACKS[PLATFORM] = {"platform": run_environment("oss").exports["platform"]}
    seen = team(ocr)
    STACKS.clear()
    assert not [each for each in seen.resources if each.type.startswith("aws:")]
    assert seen.one("kubernetes:asya.sh/v1alpha1:AsyncActor").inputs["spec"]["transport"] == "rabbitmq"


@pytest.mark.parametrize(
    ("transport", "more", "said"),
    [
        ("sqs", {"policies": [MODELS]}, "AsyncActor ocr: policies want a role, and this mesh gives pods none; connect"),
        ("rabbitmq", {"policies": [MODELS]}, "AsyncActor ocr: policies want a role"),
        ("sqs", {"sends_to": ["grade"]}, "AsyncActor ocr: sends_to wants a role.*mesh.target.gives_roles"),
        ("rabbitmq", {"sends_to": []}, "AsyncActor ocr: sends_to wants a role"),
    ],
)
def test_rights_that_nobody_can_give_are_refused(transport: str, more: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run_program(lambda: ocr(on_a_cluster(transport=transport), **more))


def test_on_this_machine_rights_are_said_to_hold_nothing(tmp_path: Path) -> None:
    def program() -> None:
        ocr(connect(), sends_to=["grade"], policies=[MODELS], source=str(tmp_path))

    seen = run_program(program, {"asya:mesh": "local", "asya:home": str(tmp_path)})
    (warning,) = seen.warnings
    assert warning.startswith(
        "AsyncActor ocr: policies and sends_to hold for roles of a cloud, and not on this machine"
    )
