"""S3: buckets and what is configured on them, each a resource of its own. Source: boto3's S3 reference."""

import json
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import ClientError

from lab.pulumi_standins.aws.clients import Clients
from lab.pulumi_standins.aws.resource import Resource, as_tags, capitalised
from lab.pulumi_standins.kind import Live
from lab.pulumi_standins.wire import Properties


class Bucket(Resource):
    """A bucket; its id is its name. ``forceDestroy`` empties it before it is deleted."""

    autoname = "bucket"
    force_new = frozenset({"bucket", "bucketPrefix", "objectLockEnabled"})

    def create(self, clients: Clients, inputs: Properties) -> str:
        """CreateBucket; us-east-1 is the one region that may not be named."""
        where = {} if clients.region == "us-east-1" else {"LocationConstraint": clients.region}
        clients["s3"].create_bucket(Bucket=inputs["bucket"], **({"CreateBucketConfiguration": where} if where else {}))
        self._tag(clients, inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """HeadBucket and GetBucketTagging."""
        aws["s3"].head_bucket(Bucket=identifier)
        try:
            tags = as_tags(aws["s3"].get_bucket_tagging(Bucket=identifier)["TagSet"])
        except ClientError:
            tags = {}
        live: Properties = {"bucket": identifier}
        if tags:
            live["tags"] = {key: value for key, value in tags.items() if key in (state.get("tags") or tags)}
        names = {
            "arn": f"arn:aws:s3:::{identifier}",
            "bucketDomainName": f"{identifier}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{identifier}.s3.{aws.region}.amazonaws.com",
            "region": aws.region,
            "tagsAll": tags,
        }
        return Live(live, {**live, **names})

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """Only tags change in place; everything else is a resource of its own."""
        self._tag(clients, identifier, new)

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """DeleteBucket, which refuses a bucket with objects."""
        if state.get("forceDestroy"):
            for page in aws["s3"].get_paginator("list_object_versions").paginate(Bucket=identifier):
                for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                    aws["s3"].delete_object(Bucket=identifier, Key=entry["Key"], VersionId=entry["VersionId"])
        aws["s3"].delete_bucket(Bucket=identifier)

    def _tag(self, aws: Clients, name: str, inputs: Properties) -> None:
        tags = aws.tag_list(inputs)
        if tags:
            aws["s3"].put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
        else:
            aws["s3"].delete_bucket_tagging(Bucket=name)


class Configuration(Resource):
    """One kind of configuration of a bucket: it is put as a whole, and taken away as a whole.

    Args:
        noun: As in ``put_bucket_NOUN``.
        parameter: The parameter of the call.
        build: Makes the parameter's value from the inputs.
        remove_call: The call that takes it away; ``None`` where S3 has no such call.
    """

    force_new = frozenset({"bucket"})

    def __init__(
        self, noun: str, parameter: str, build: Callable[[Properties], Any], remove_call: str | None = ""
    ) -> None:
        self._put, self._get, self._parameter, self._build = f"put_{noun}", f"get_{noun}", parameter, build
        self._remove = f"delete_{noun}" if remove_call == "" else remove_call

    def create(self, clients: Clients, inputs: Properties) -> str:
        """Put it."""
        getattr(clients["s3"], self._put)(Bucket=inputs["bucket"], **{self._parameter: self._build(inputs)})
        return str(inputs["bucket"])

    def look(self, aws: Clients, identifier: str, state: Properties) -> Live | None:
        """Get it; S3 reports it in a form of its own, so its presence is what counts, and a policy's text."""
        found = getattr(aws["s3"], self._get if "lifecycle" not in self._get else f"{self._get}_configuration")(
            Bucket=identifier
        )
        live: Properties = {"bucket": identifier}
        if "Policy" in found:
            live["policy"] = found["Policy"]
        return Live(live)

    def update(self, clients: Clients, identifier: str, old: Properties, new: Properties) -> None:
        """Put it again."""
        self.create(clients, new)

    def remove(self, aws: Clients, identifier: str, state: Properties) -> None:
        """Take it away."""
        if self._remove is not None:
            getattr(aws["s3"], self._remove)(Bucket=identifier)


def _access_block(inputs: Properties) -> dict[str, bool]:
    names = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    return {name[:1].upper() + name[1:]: bool(inputs.get(name)) for name in names}


def _encryption(inputs: Properties) -> dict[str, Any]:
    rules = []
    for rule in inputs["rules"]:
        default = rule.get("applyServerSideEncryptionByDefault") or {}
        named = {"SSEAlgorithm": default.get("sseAlgorithm"), "KMSMasterKeyID": default.get("kmsMasterKeyId")}
        entry: dict[str, Any] = {"ApplyServerSideEncryptionByDefault": {k: v for k, v in named.items() if v}}
        if "bucketKeyEnabled" in rule:
            entry["BucketKeyEnabled"] = rule["bucketKeyEnabled"]
        rules.append(entry)
    return {"Rules": rules}


def _lifecycle(inputs: Properties) -> dict[str, Any]:
    rules = []
    for rule in inputs["rules"]:
        entry: dict[str, Any] = {"ID": rule["id"], "Status": rule["status"]}
        entry["Filter"] = capitalised(rule.get("filter") or {}) or {"Prefix": ""}
        if "expiration" in rule:
            entry["Expiration"] = capitalised(rule["expiration"])
        if "noncurrentVersionExpiration" in rule:
            entry["NoncurrentVersionExpiration"] = capitalised(rule["noncurrentVersionExpiration"])
        if "abortIncompleteMultipartUpload" in rule:
            entry["AbortIncompleteMultipartUpload"] = capitalised(rule["abortIncompleteMultipartUpload"])
        rules.append(entry)
    return {"Rules": rules}


def _policy(inputs: Properties) -> str:
    policy = inputs["policy"]
    return policy if isinstance(policy, str) else json.dumps(policy)


_PUBLIC_ACCESS: Final = Configuration("public_access_block", "PublicAccessBlockConfiguration", _access_block)
_OWNERSHIP: Final = Configuration(
    "bucket_ownership_controls",
    "OwnershipControls",
    lambda inputs: {"Rules": [{"ObjectOwnership": inputs["rule"]["objectOwnership"]}]},
)
_ENCRYPTION: Final = Configuration("bucket_encryption", "ServerSideEncryptionConfiguration", _encryption)
_VERSIONING: Final = Configuration(
    "bucket_versioning",
    "VersioningConfiguration",
    lambda inputs: {"Status": inputs["versioningConfiguration"]["status"]},
    remove_call=None,
)


class Lifecycle(Configuration):
    """The one configuration whose calls do not share a noun."""

    def create(self, clients: Clients, inputs: Properties) -> str:
        """PutBucketLifecycleConfiguration."""
        clients["s3"].put_bucket_lifecycle_configuration(
            Bucket=inputs["bucket"], LifecycleConfiguration=_lifecycle(inputs)
        )
        return str(inputs["bucket"])


_LIFECYCLE: Final = Lifecycle("bucket_lifecycle", "LifecycleConfiguration", _lifecycle)
_POLICY: Final = Configuration("bucket_policy", "Policy", _policy)

KINDS: Final[dict[str, Resource]] = {
    "aws:s3/bucket:Bucket": Bucket(),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _PUBLIC_ACCESS,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _OWNERSHIP,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _ENCRYPTION,
    "aws:s3/bucketVersioning:BucketVersioning": _VERSIONING,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _LIFECYCLE,
    "aws:s3/bucketPolicy:BucketPolicy": _POLICY,
}
