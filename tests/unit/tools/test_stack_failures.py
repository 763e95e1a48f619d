"""A failed command says what it means and how to go on; state and passphrase are kept where nobody loses them."""

import stat
from pathlib import Path

import pytest

from lab.checkout import ROOT
from tools.stack import explain
from tools.stack.run import Request, run
from tools.stack.state_folder import Place


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("error: getting secrets manager: incorrect passphrase", "not the one that this stack was made with"),
        ("error: the stack is currently locked by 1 lock(s)", "make pulumi ENV=oss ARGS='cancel --yes'"),
        ("ClientError: An error occurred (ExpiredToken) when calling", "credentials have expired"),
        ("error: No valid credential sources found", "aws configure"),
        ("error: configured Kubernetes cluster is unreachable", "PULUMI_K8S_DELETE_UNREACHABLE=true"),
        ("error: the server has asked for the client to provide credentials: Unauthorized", "get a new kubeconfig"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock", "Docker does not answer"),
        ("Bind for 0.0.0.0:8080 failed: port is already allocated", "ss -ltnp"),
        ("error: resource urn:x cannot be deleted\nbecause it is protected", "asya:protect: false in Pulumi.oss.yaml"),
        (
            'error: resource "urn:pulumi:aws::asya::x$aws:ec2/subnet:Subnet::asya-aws-private-2" cannot be deleted\nbecause',
            "set asya:zones back",
        ),
        (
            "api error InvalidRequestException: Cannot delete cluster: deletion protection",
            "make up ENV=oss, then make down",
        ),
        ("Get https://x: dial tcp 10.60.17.4:443: i/o timeout", "asya:apiCidrs in Pulumi.oss.yaml must hold"),
        ("https://1A.gr7.eu-central-1.eks.amazonaws.com/version: net/http: timeout", "asya:apiCidrs"),
        ("ResourceAlreadyExistsException: The specified log group already exists", "aws logs delete-log-group"),
        ("Minimum capacity 3 can't be greater than desired size 2", "--cluster-name asya-oss --nodegroup-name GROUP"),
        ("AlreadyExistsException: An alias alias/asya-queues-asya exists", "asya:queuePrefix in Pulumi.oss.yaml"),
        ("dial tcp 127.0.0.1:6443: i/o timeout", "PULUMI_K8S_DELETE_UNREACHABLE=true"),
        ("error: program exited with non-zero exit code: -1\nResources:", "the program was ended by a signal"),
        ("error: no resource plugin 'pulumi-resource-aws' found", "pulumi plugin install"),
    ],
)
def test_a_failure_is_explained_in_one_line(output: str, says: str) -> None:
    """Cause and cure."""
    (cause,) = explain.causes(output, "oss")
    assert says in cause


def test_what_nobody_knows_is_left_to_its_own_words() -> None:
    """No guess is better than a wrong one."""
    assert explain.causes("error: something new", "oss") == []
    assert explain.causes("error: program exited with non-zero exit code: 1", "oss") == []


def test_after_a_failure_the_next_command_is_named() -> None:
    """For each command its own."""
    assert explain.how_to_go_on("preview", "oss", "") == "nothing was changed"
    assert "run `make up ENV=oss` again" in explain.how_to_go_on("up", "oss", "")
    assert "run `make down ENV=oss` again" in explain.how_to_go_on("down", "oss", "")
    cut_off = explain.how_to_go_on("up", "oss", "the stack has 1 pending operation")
    assert cut_off.startswith("it was cut off") and "refresh --yes --clear-pending-creates" in cut_off


def test_a_passphrase_is_made_once_and_is_readable_by_nobody_else(tmp_path: Path) -> None:
    """The second time it is the same."""
    place = Place(tmp_path / "state")
    first = place.variables({})
    path = Path(first["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and len(path.read_text(encoding="utf-8")) > 32
    text = path.read_text(encoding="utf-8")
    assert place.variables({}) == first and path.read_text(encoding="utf-8") == text
    assert first["PULUMI_BACKEND_URL"] == (tmp_path / "state").as_uri()


def test_what_the_user_names_is_left_alone(tmp_path: Path) -> None:
    """A backend or a passphrase of theirs, an empty one too."""
    place = Place(tmp_path / "state")
    assert place.variables({"PULUMI_BACKEND_URL": "s3://states", "PULUMI_CONFIG_PASSPHRASE": ""}) == {}
    assert not (tmp_path / "state/passphrase").exists()


def test_taking_down_what_was_never_up_needs_no_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = Request("down", "local", state=tmp_path / "state")
    assert run(request) == 0
    assert capsys.readouterr().out == "stack: local is not up: nothing to remove\n"
    place = Place(tmp_path / "state")
    assert place.holds("local", {"PULUMI_BACKEND_URL": "s3://states"})
    (tmp_path / "state/.pulumi/stacks/asya").mkdir(parents=True)
    (tmp_path / "state/.pulumi/stacks/asya/local.json").touch()
    assert place.holds("local", {}) and not place.holds("oss", {})


def test_clean_keeps_the_state() -> None:
    """It is all that knows what was made."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.split("\nclean:", 1)[1]
    assert ".pulumi-state" not in "".join(line for line in recipe.splitlines() if line.startswith("\t"))
    assert ".pulumi-state/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
