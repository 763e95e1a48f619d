"""The store on S3 or a server that speaks its protocol. Besides the SQS transport the only module that imports boto3.

Failures that may pass (network, throttling, 5xx) are tried again inside with backoff; what is left is raised as
``StoreUnavailable``. A client may be used by several threads at once.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from asya_protocol.errors import StoreUnavailable
from asya_store.port import ObjectInfo
from asya_store.settings import StoreSettings

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from types_boto3_s3 import S3Client
    from types_boto3_s3.literals import BucketLocationConstraintType

ATTEMPTS: Final = 5
"""Botocore waits up to 1, 2, 4 and 8 s between them: an envelope is not held longer before its sidecar hears of it."""
CONNECT_TIMEOUT_S: Final = 5
READ_TIMEOUT_S: Final = 30
NO_CONSTRAINT_REGION: Final = "us-east-1"
"""The one region whose name S3 refuses as a LocationConstraint.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
"""

_TAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_MISSING: Final = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NotFound"})

logger = logging.getLogger("asya.store")


def open_s3_client(settings: StoreSettings) -> "S3Client":
    """Make a client; nothing is connected yet."""
    elsewhere = settings.endpoint is not None
    client = boto3.client(
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        config=Config(
            signature_version="s3v4",
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            s3={"addressing_style": "path"} if elsewhere else None,
            # Other makers' S3 may not know the checksums that boto3 adds of its own accord since 1.36.
            request_checksum_calculation="when_required" if elsewhere else None,
            response_checksum_validation="when_required" if elsewhere else None,
        ),
    )
    if settings.owner is not None:
        client.meta.events.register("provide-client-params.s3", partial(_expect, settings.owner))
    return client


def _expect(owner: str, params: dict[str, Any], model: "OperationModel", **_: object) -> None:
    """Say in every request whose bucket it means; whoever took the name first could otherwise let us write into theirs.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
    """
    if model.input_shape is not None and "ExpectedBucketOwner" in model.input_shape.members:
        params["ExpectedBucketOwner"] = owner


class S3Store:
    """Objects in one bucket, which is looked for, and made, once per process."""

    def __init__(self, client: "S3Client", bucket: str, region: str) -> None:
        self._client = client
        self._bucket = bucket
        self._region = region
        self._bucket_seen = False

    def put(
        self,
        key: str,
        body: bytes,
        content_type: str = "application/json",
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write an object; the bucket is made where it is missing."""
        with self._translated(key):
            self._ensure_bucket()
            try:
                self._put(key, body, content_type, metadata or {})
            except ClientError as exc:
                if exc.response.get("Error", {}).get("Code") != "NoSuchBucket":
                    raise
                # Deleted since we looked; an end actor lives for months.
                self._bucket_seen = False
                self._ensure_bucket()
                self._put(key, body, content_type, metadata or {})

    def _put(self, key: str, body: bytes, content_type: str, metadata: Mapping[str, str]) -> None:
        self._client.put_object(
            Bucket=self._bucket, Key=key, Body=body, ContentType=content_type, Metadata=dict(metadata)
        )

    def create(self, key: str, body: bytes) -> bool:
        """Write an object under the condition that there is none (S3 since 2024, MinIO, LocalStack)."""
        with self._translated(key):
            self._ensure_bucket()
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
                )
            except ClientError as exc:
                if exc.response.get("Error", {}).get("Code") in _TAKEN:
                    return False
                raise
            return True

    def get(self, key: str) -> bytes | None:
        """Read an object."""
        with self._translated(key):
            try:
                return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except ClientError as exc:
                if _is_missing(exc):
                    return None
                raise

    def info(self, key: str) -> ObjectInfo | None:
        """Ask about an object."""
        with self._translated(key):
            try:
                found = self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as exc:
                if _is_missing(exc):
                    return None
                raise
        return ObjectInfo(modified_s=found["LastModified"].timestamp(), metadata=found.get("Metadata", {}))

    def list(self, prefix: str, *, after: str = "", most: int | None = None) -> list[str]:
        """Keys with a prefix, sorted, as S3 lists them; none when the bucket does not exist."""
        chosen = {
            **({"StartAfter": after} if after else {}),
            **({"PaginationConfig": {"MaxItems": most}} if most else {}),
        }
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix, **chosen)  # type: ignore[arg-type] # names are S3's own
        with self._translated(prefix):
            try:
                return sorted(found["Key"] for page in pages for found in page.get("Contents", []))
            except ClientError as exc:
                if _is_missing(exc):
                    return []
                raise

    def delete(self, key: str) -> None:
        """Remove an object; S3 does not tell whether there was one."""
        with self._translated(key):
            try:
                self._client.delete_object(Bucket=self._bucket, Key=key)
            except ClientError as exc:
                if not _is_missing(exc):
                    raise

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as exc:
            raise StoreUnavailable(f"s3://{self._bucket}/{key}: {type(exc).__name__}: {exc}") from exc

    def _ensure_bucket(self) -> None:
        if self._bucket_seen:
            return
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as exc:
            if _is_missing(exc):
                self._create_bucket()
            else:
                # A role that may only write objects gets 403 here; whether it may write, the write will tell.
                logger.warning("cannot look for bucket %s: %s", self._bucket, exc)
        self._bucket_seen = True

    def _create_bucket(self) -> None:
        try:
            if self._region == NO_CONSTRAINT_REGION:
                self._client.create_bucket(Bucket=self._bucket)
            else:
                region: BucketLocationConstraintType = self._region  # type: ignore[assignment]  # a setting, any text
                self._client.create_bucket(
                    Bucket=self._bucket, CreateBucketConfiguration={"LocationConstraint": region}
                )
            logger.info("bucket %s made in %s", self._bucket, self._region)
        except ClientError as exc:
            # Another replica was faster.
            if exc.response.get("Error", {}).get("Code") != "BucketAlreadyOwnedByYou":
                raise


def _is_missing(exc: ClientError) -> bool:
    return str(exc.response.get("Error", {}).get("Code")) in _MISSING
