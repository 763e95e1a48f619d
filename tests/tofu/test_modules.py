"""The OpenTofu modules: format, syntax, and the values of what they make beside what a run of our Pulumi program registers.

No provider is here. What needs none is evaluated by ``tofu`` itself: every policy, trust, name and age, from the modules' own
files. Of the resources the arguments that stand there as literals are compared, and the names of all of them. What the provider
would make of them is not proven.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.checkout import ROOT
from lab.installs.opentofu import opentofu
from tests.support.pulumi_program import Run, whole_environment

MODULES = ROOT / "deploy" / "tofu"
AWS = MODULES / "aws"
DUTIES = {"operator": "asya-aws-operator", "keda": "asya-aws-keda", "gateway": "asya-aws-gateway"}
TYPES = {
    "aws_kms_key": "aws:kms/key:Key",
    "aws_kms_alias": "aws:kms/alias:Alias",
    "aws_s3_bucket": "aws:s3/bucket:Bucket",
    "aws_s3_bucket_public_access_block": "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws_s3_bucket_ownership_controls": "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "aws_s3_bucket_server_side_encryption_configuration": (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ),
    "aws_s3_bucket_versioning": "aws:s3/bucketVersioning:BucketVersioning",
    "aws_s3_bucket_lifecycle_configuration": "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws_s3_bucket_policy": "aws:s3/bucketPolicy:BucketPolicy",
    "aws_iam_role": "aws:iam/role:Role",
    "aws_iam_role_policy": "aws:iam/rolePolicy:RolePolicy",
    "aws_eks_pod_identity_association": "aws:eks/podIdentityAssociation:PodIdentityAssociation",
}
"""Each resource, and what it is called by Pulumi."""
OURS = {"bucket_prefix", "name", "path", "permissions_boundary"}
"""What Pulumi decides by itself, or has where a stack says so."""
META = {"count", "for_each", "depends_on"}
LIFECYCLE = "aws_s3_bucket_lifecycle_configuration"
OUTPUT = """
output "all" {
  value = {
    policies = local.policies, trusts = local.trusts, pods = local.pods, ages = local.ages, roles = local.roles
    claimed  = local.claimed, key = local.key_policy, bucket = local.bucket_policy
  }
}
"""


@pytest.fixture(scope="module")
def run() -> Run:
    """All that the Pulumi program makes on AWS."""
    return whole_environment("aws")


def tofu(folder: Path, *arguments: str) -> str:
    configuration = folder / "tofu.rc"
    configuration.touch()
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "TF_CLI_CONFIG_FILE": str(configuration)}
    done = subprocess.run(
        [str(opentofu()), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def evaluated(folder: Path, module: Path, files: list[str], text: str, **variables: Any) -> Any:
    """Values of a module's files that ask for no provider, with our own in place of what a provider would tell."""
    for name in files:
        copy = shutil.copytree if (module / name).is_dir() else shutil.copyfile
        copy(module / name, folder / name)
    (folder / "test.tf").write_text(text, encoding="utf-8")
    (folder / "test.auto.tfvars.json").write_text(json.dumps(variables), encoding="utf-8")
    tofu(folder, "init", "-no-color", "-input=false")
    tofu(folder, "validate", "-no-color")
    tofu(folder, "apply", "-auto-approve", "-no-color", "-input=false")
    return json.loads(tofu(folder, "output", "-json", "all"))


def on_aws(folder: Path, run: Run, **variables: Any) -> Any:
    """The values of the module for AWS, in the account of the Pulumi run."""
    trust = json.loads(run.one("aws:iam/role:Role", DUTIES["operator"]).inputs["assumeRolePolicy"])["Statement"][0]
    (rule,) = run.one(TYPES["aws_s3_bucket_server_side_encryption_configuration"]).inputs["rules"]
    known = {
        "account": trust["Condition"]["StringEquals"]["aws:SourceAccount"],
        "region": "eu-central-1",
        "partition": "aws",
        "dns_suffix": "amazonaws.com",
        "cluster_arn": trust["Condition"]["ArnEquals"]["aws:SourceArn"],
        "key_arn": rule["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"],
        "bucket": run.one("aws:s3/bucketPolicy:BucketPolicy").inputs["bucket"],
    }
    text = "locals {\n" + "".join(f"  {key} = {json.dumps(value)}\n" for key, value in known.items()) + "}\n" + OUTPUT
    return evaluated(
        folder, AWS, ["variables.tf", "locals.tf", "made"], text, cluster_name="c", name="asya-aws", **variables
    )


def actors_of(run: Run) -> dict[str, dict[str, str]]:
    """Names of roles of actors, and where their pods are, as the run has them."""
    found = {}
    for each in run.of_type("aws:eks/podIdentityAssociation:PodIdentityAssociation"):
        if each.name not in DUTIES.values():
            found[each.name.removeprefix("asya-aws-actor-")] = {
                "namespace": each.inputs["namespace"],
                "service_account": each.inputs["serviceAccount"],
            }
    return found


def test_they_are_formatted(tmp_path: Path) -> None:
    assert tofu(tmp_path, "fmt", "-check", "-recursive", "-list=true", str(MODULES)) == ""


def test_roles_policies_and_names_are_those_of_the_pulumi_program(tmp_path: Path, run: Run) -> None:
    actors = actors_of(run)
    crew = {"happy-end", "error-end", "fan-in"}
    assert crew < actors.keys()
    (namespace,) = {each["namespace"] for name, each in actors.items() if name in crew}
    given = {name: each for name, each in actors.items() if name not in crew}
    made = on_aws(tmp_path, run, namespace=namespace, actors=given)
    roles = {**DUTIES, **{f"actor-{name}": f"asya-aws-actor-{name}" for name in actors}}
    assert made["roles"] == roles
    for key, role in roles.items():
        policy = run.one("aws:iam/rolePolicy:RolePolicy", role).inputs["policy"]
        assert json.loads(made["policies"][key]) == json.loads(policy), key
        assert json.loads(made["trusts"][key]) == json.loads(
            run.one("aws:iam/role:Role", role).inputs["assumeRolePolicy"]
        )
        association = run.one("aws:eks/podIdentityAssociation:PodIdentityAssociation", role).inputs
        assert (made["pods"][key]["namespace"], made["pods"][key]["account"]) == (
            association["namespace"],
            association["serviceAccount"],
        )
    assert json.loads(made["key"]) == json.loads(run.one("aws:kms/key:Key").inputs["policy"])
    assert json.loads(made["bucket"]) == json.loads(run.one("aws:s3/bucketPolicy:BucketPolicy").inputs["policy"])
    assert made["claimed"] in {each.inputs["name"] for each in run.of_type("aws:kms/alias:Alias")}
    rules = run.one(TYPES[LIFECYCLE]).inputs["rules"]
    assert made["ages"] == {
        each["filter"]["prefix"]: each["expiration"]["days"] for each in rules if "expiration" in each
    }


def test_an_actor_with_a_list_may_send_there_alone(tmp_path: Path, run: Run) -> None:
    long = "a" + "x" * 60
    made = on_aws(tmp_path, run, gateway=False, actors={"grade": {"sends_to": ["ocr"]}, long: {}, f"{long}y": {}})
    statements = {each["Sid"]: each for each in json.loads(made["policies"]["actor-grade"])["Statement"]}
    assert [arn.rpartition(":")[2] for arn in statements["Send"]["Resource"]] == [
        f"asya-{name}" for name in ("grade", "ocr", "happy-end", "error-end")
    ]
    assert statements["OwnQueue"]["Resource"][0].endswith(":asya-grade")
    assert "gateway" not in made["pods"]
    assert len(set(made["roles"].values())) == len(made["roles"])
    assert max(map(len, made["roles"].values())) <= 64


def test_an_actor_s_release_has_the_values_of_the_chart(tmp_path: Path) -> None:
    spec = {"transport": "sqs", "image": "hello:1", "handler": "hello.process", "scaling": {"maxReplicas": 3}}
    output = 'output "all" {\n  value = local.values\n}\n'
    files = ["variables.tf", "locals.tf"]
    made = evaluated(tmp_path, MODULES / "actor", files, output, name="hello", namespace="asya", spec=spec)
    assert made == {**spec, "name": "hello", "labels": {}, "annotations": {}}


def blocks(text: str) -> dict[str, list[Any]]:
    """A formatted file's blocks, by their words: of each its arguments, as texts, and its blocks."""
    stack: list[dict[str, Any]] = [{}]
    for line in text.splitlines():
        if line.strip() == "}":
            stack.pop()
        elif opened := re.fullmatch(r"\s*([a-z][\w\" ]*) \{", line):
            inner: dict[str, Any] = {}
            stack[-1].setdefault(opened[1].replace('"', "").replace("dynamic ", ""), []).append(inner)
            stack.append(inner)
        elif argument := re.fullmatch(r"\s*(\w+)\s+= (.+)", line):
            stack[-1][argument[1]] = argument[2]
    assert len(stack) == 1
    return stack[0]


def differences(block: dict[str, Any], recorded: dict[str, Any], path: str = "") -> list[str]:
    """Arguments that the run has not, or has with another value than the literal that stands there."""
    found = []
    for name, value in block.items():
        words = name.split("_")
        key = words[0] + "".join(word.title() for word in words[1:])
        if name in META | OURS:
            continue
        there = recorded.get(key, recorded.get(f"{key}s"))
        if there is None:
            found.append(f"{path}{name}: the run has none")
        elif isinstance(value, list):
            inner = there if isinstance(there, list) else [there]
            found += [
                each
                for block, other in zip(value, inner, strict=True)
                for each in differences(block, other, f"{name}.")
            ]
        elif re.fullmatch(r"true|false|\d+|\"[^$]*\"", value) and json.loads(value) != there:
            found.append(f"{path}{name}: {value}, and the run has {there!r}")
    return found


@pytest.mark.parametrize("file", ["store.tf", "roles.tf"])
def test_resources_have_the_arguments_of_the_pulumi_program(file: str, run: Run) -> None:
    found = blocks((AWS / file).read_text(encoding="utf-8"))
    assert found
    for words, (block,) in found.items():
        kind = words.split()[1]
        recorded = run.of_type(TYPES[kind])
        if kind == "aws_s3_bucket_versioning":
            continue  # only where a stack says so
        if kind == LIFECYCLE:
            (lasting,) = (rule for rule in block["rule"] if rule.get("id") == '"unfinished-uploads"')
            (other,) = (rule for rule in recorded[0].inputs["rules"] if rule["id"] == "unfinished-uploads")
            assert differences(lasting, other) == []
            continue
        assert differences(block, recorded[0].inputs) == [], words
        more = recorded[0].inputs.keys() - {"region", "tags", "name", "path"}
        named = {re.sub(r"_(\w)", lambda letter: letter[1].upper(), name) for name in block}
        assert {key for key in more if key not in named and key.removesuffix("s") not in named} == set(), words
