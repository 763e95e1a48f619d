"""Which environment and cluster `make up` means, and what it gives the engine."""

import pytest

from tools.stack import clusters, environments, settings_file
from tools.stack.clusters import Choice, Surroundings
from tools.stack.errors import StackError

FILES = ["Pulumi.yaml", "Pulumi.oss.yaml", "Pulumi.localstack.yaml", "Pulumi.local.yaml", "pyproject.toml"]
NAMES = ["local", "localstack", "oss"]


def test_environments_are_the_files_that_there_are() -> None:
    """The project's own file is none of them."""
    assert environments.known(FILES) == NAMES


@pytest.mark.parametrize(
    ("environment", "profile", "means"),
    [("oss", "", "oss"), ("", "sqs-s3", "localstack"), ("", "rabbitmq-minio", "oss"), ("oss", "rabbitmq-minio", "oss")],
)
def test_an_environment_has_two_names(environment: str, profile: str, means: str) -> None:
    """ENV, or the PROFILE of Asya 0.1.1."""
    assert environments.choose(environment, profile, NAMES) == means


@pytest.mark.parametrize(
    ("environment", "profile", "says"),
    [
        ("", "", "say which environment: ENV=local | localstack | oss"),
        ("prod", "", "there is no ENV=prod; there are local, localstack, oss"),
        ("", "gcp", "there is no PROFILE=gcp; there are sqs-s3 and rabbitmq-minio"),
        ("local", "sqs-s3", "PROFILE=sqs-s3 means ENV=localstack, but ENV=local is given"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(environment: str, profile: str, says: str) -> None:
    """One line, with the choices in it."""
    with pytest.raises(StackError, match="^" + says.replace("|", r"\|")):
        environments.choose(environment, profile, NAMES)


def test_the_engines_own_keys_stay_out_of_the_shared_file() -> None:
    """What the engine wrote is kept, settings come from the shared file, those of this run over them."""
    shared = {"config": {"asya:environment": "oss", "asya:password": "old"}}
    own = {"encryptionsalt": "v1:mine", "config": {"asya:password": "stale", "asya:gone": "x"}}
    assert settings_file.merged(shared, own, {"asya:cluster": "kind"}) == {
        "encryptionsalt": "v1:mine",
        "config": {"asya:environment": "oss", "asya:password": "old", "asya:cluster": "kind"},
    }


def test_a_shared_encryption_wins() -> None:
    """Secrets in the shared file can only be opened with the salt beside them."""
    shared = {"encryptionsalt": "v1:theirs", "config": {"asya:password": {"secure": "v1:..."}}}
    assert settings_file.merged(shared, {"encryptionsalt": "v1:mine"}, {})["encryptionsalt"] == "v1:theirs"


EVERYTHING = Surroundings(checkout="checkout/kubeconfig", user=True, kind=True)


@pytest.mark.parametrize(
    ("settings", "kind_of", "here", "profile", "chosen"),
    [
        ({}, "local", EVERYTHING, False, Choice()),
        ({}, "aws", EVERYTHING, False, Choice()),
        ({"asya:kubeconfig": "mine"}, "oss", EVERYTHING, False, Choice()),
        ({}, "oss", Surroundings(variable="mine", checkout="other"), True, Choice()),
        (
            {},
            "oss",
            EVERYTHING,
            False,
            Choice({"KUBECONFIG": "checkout/kubeconfig"}, told="in the cluster of `make cluster`"),
        ),
        ({}, "oss", Surroundings(user=True, kind=True), False, Choice(told="in the cluster that ~/.kube/config means")),
        (
            {},
            "localstack",
            Surroundings(user=True, kind=True),
            True,
            Choice(settings={"asya:cluster": "kind"}, told="in a kind cluster of its own"),
        ),
    ],
    ids=["no-cluster", "makes-its-own", "named", "variable", "checkout", "user", "profile-avoids-the-users"],
)
def test_the_cluster_is_chosen_in_order(
    settings: dict[str, str], kind_of: str, here: Surroundings, profile: bool, chosen: Choice
) -> None:
    """What is named wins; an evaluation never lands in the cluster of ~/.kube/config."""
    assert clusters.choose(settings, kind_of, here, profile=profile) == chosen


def test_a_kind_cluster_that_was_made_is_kept() -> None:
    """It stands in ~/.kube/config by then, which would otherwise count as the user's own."""
    here = Surroundings(user=True, kind=True)
    chosen = clusters.choose({}, "oss", here, profile=False, before="kind")
    assert chosen == Choice(settings={"asya:cluster": "kind"}, told="in its kind cluster")


@pytest.mark.parametrize(("here", "profile"), [(Surroundings(), False), (Surroundings(user=True), True)])
def test_no_cluster_names_the_ways_to_one(here: Surroundings, profile: bool) -> None:
    """A kubeconfig, Docker with kind, or the checkout's own."""
    with pytest.raises(StackError, match=r"set KUBECONFIG, or start Docker and install kind .* or run `make cluster`"):
        clusters.choose({}, "oss", here, profile=profile)
