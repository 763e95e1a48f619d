"""Explains the engine's failures and how to go on. Pure. The first line that matches is the likeliest cause."""

import re
from typing import Final

_CAUSES: Final[tuple[tuple[str, str], ...]] = (
    (
        r"incorrect passphrase",
        "the passphrase is not the one that this stack was made with: set PULUMI_CONFIG_PASSPHRASE to that one, or put the "
        "file .pulumi-state/passphrase back",
    ),
    (
        r"passphrase must be set",
        "the stack's secrets need a passphrase: set PULUMI_CONFIG_PASSPHRASE, or unset PULUMI_CONFIG_PASSPHRASE_FILE",
    ),
    (
        r"currently locked by",
        "another update runs, or one was killed; if none runs: make pulumi ENV={env} ARGS='cancel --yes'",
    ),
    (
        r"ExpiredToken|token (?:included in the request )?(?:is|has) expired|credentials (?:have|has) expired|SSO.*expired",
        "the AWS credentials have expired: get new ones (aws sso login, or your own way) and run it again",
    ),
    (
        r"No valid credential sources|NoCredentialProviders|Unable to locate credentials|InvalidClientTokenId",
        "AWS does not know these credentials: aws configure, or set AWS_PROFILE",
    ),
    (
        r"dial tcp (?:10|172|192)[\d.]+:443: (?:i/o timeout|connect)|\.eks\.(?:amazonaws|api\.aws)\S* .*(?:timeout|refused)",
        "the EKS cluster's API is not reached from here: asya:apiCidrs in Pulumi.{env}.yaml must hold this machine's address "
        "(curl https://checkip.amazonaws.com), or run it inside the VPC. Nothing has to be removed; run the same again",
    ),
    (
        r"ResourceAlreadyExistsException.*log group",
        "a log group of an earlier cluster is there still, which EKS wrote into while it was deleted: "
        "aws logs delete-log-group --log-group-name /aws/eks/asya-{env}/cluster, then again",
    ),
    (
        r"AlreadyExistsException.*alias/asya-queues-",
        "another mesh of this account and region has that queue prefix: give this one its own, asya:queuePrefix in "
        "Pulumi.{env}.yaml",
    ),
    (
        r"Minimum capacity \d+ can't be greater than desired size",
        "fewer nodes run than the new minimum, and how many run is the autoscaler's (asya:autoscaler): first "
        "aws eks update-nodegroup-config --cluster-name asya-{env} --nodegroup-name GROUP --scaling-config desiredSize=MINIMUM",
    ),
    (
        r"Unauthorized|must be logged in to the server|refuses these credentials",
        "the cluster refuses the kubeconfig's credentials, which may have expired: get a new kubeconfig and run it again",
    ),
    (
        r"Cannot connect to the Docker daemon|docker daemon is not running",
        "Docker does not answer: start it, or use a cluster that exists: set KUBECONFIG",
    ),
    (
        r"port is already allocated|address already in use|bind: ",
        "a port is taken; `ss -ltnp` shows by whom. Stop that, or name another port in Pulumi.{env}.yaml",
    ),
    (
        r"unreachable|connection refused|Connection refused|no route to host|i/o timeout|ConnectTimeout|no such host",
        "the cluster does not answer. Start it and run the same again; if it is gone for good: "
        "make down ENV={env} PULUMI_K8S_DELETE_UNREACHABLE=true",
    ),
    (
        r"no resource plugin|[Cc]ould not find latest version|failed to (?:download|install) plugin",
        "a provider plugin is missing and could not be downloaded; where there is a network: pulumi plugin install",
    ),
    (
        r"ec2/subnet:Subnet::\S+\"? cannot be deleted",
        "a zone's subnets are protected, as nodes live in them: set asya:zones back (asya:vpcId and the like, too); to take "
        "all of it down, asya:protect: false in Pulumi.{env}.yaml, make up ENV={env}, then make down ENV={env}",
    ),
    (
        r"program exited with non-zero exit code: -1$",
        "the program was ended by a signal: where it crashed, the lines above say at which place; where they say nothing, "
        "somebody ended it, or the system for want of memory (dmesg). Nothing has to be removed; run the same again",
    ),
    (
        r"is protected|marked for protection|[Dd]eletion ?[Pp]rotection",
        "what holds data is protected, by Pulumi and by AWS itself: asya:protect: false in Pulumi.{env}.yaml, "
        "make up ENV={env}, then make down ENV={env}. That also empties the bucket",
    ),
)


def causes(output: str, environment: str) -> list[str]:
    """What to say about a failed command, the likeliest first; empty when its own words must do."""
    found = [cure.format(env=environment) for pattern, cure in _CAUSES if re.search(pattern, output, re.MULTILINE)]
    return found[:1]


def how_to_go_on(command: str, environment: str, output: str) -> str:
    """What is left after a failure, and the commands that lead out of it."""
    if command == "preview":
        return "nothing was changed"
    pending = re.search(r"pending operation|interrupted while", output)
    refresh = f"make pulumi ENV={environment} ARGS='refresh --yes --clear-pending-creates'"
    first = f"it was cut off in the middle of something: first {refresh}. " if pending else ""
    if command == "down":
        return f"{first}What is not deleted yet is still in the state: run `make down ENV={environment}` again"
    return (
        f"{first}What was made is kept in the state: mend the cause and run `make up ENV={environment}` again, which makes "
        f"the rest; or `make down ENV={environment}` removes it all"
    )
