"""Settings of the object store, read from the environment that Asya 0.1.1's crew knows; nothing else reads it.

A value that cannot be used is a ``SettingsError`` that names the variable.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from asya_protocol.errors import SettingsError


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Which object store, and how to reach it. With neither a folder nor a bucket nothing is persisted."""

    folder: str | None = None
    """`ASYA_STORE_URL`, `file:///path`: keep objects in a folder; wins over the bucket."""
    bucket: str | None = None
    """`ASYA_S3_BUCKET`: bucket, made when it does not exist."""
    endpoint: str | None = None
    """`ASYA_S3_ENDPOINT`: an S3 of another maker (MinIO, LocalStack), addressed by path; unset is AWS."""
    region: str = "us-east-1"
    """`ASYA_S3_REGION`, else `AWS_REGION`: region of the bucket."""
    access_key: str | None = None
    """`ASYA_S3_ACCESS_KEY`: together with the secret key; unset uses AWS's default chain."""
    secret_key: str | None = None
    """`ASYA_S3_SECRET_KEY`."""


def read_store_settings(environ: Mapping[str, str]) -> StoreSettings:
    """Read the store's settings; an empty value equals unset.

    Raises:
        SettingsError: A value cannot be used; names the variable.
    """
    env = {key: value for key, value in environ.items() if value != ""}
    access_key, secret_key = env.get("ASYA_S3_ACCESS_KEY"), env.get("ASYA_S3_SECRET_KEY")
    if (access_key is None) != (secret_key is None):
        missing = "ASYA_S3_ACCESS_KEY" if access_key is None else "ASYA_S3_SECRET_KEY"
        raise SettingsError(missing, "must be set too: the access key and the secret key belong together")
    return StoreSettings(
        folder=_folder(env["ASYA_STORE_URL"]) if "ASYA_STORE_URL" in env else None,
        bucket=env.get("ASYA_S3_BUCKET"),
        endpoint=_endpoint(env.get("ASYA_S3_ENDPOINT")),
        region=env.get("ASYA_S3_REGION") or env.get("AWS_REGION") or "us-east-1",
        access_key=access_key,
        secret_key=secret_key,
    )


def _folder(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise SettingsError("ASYA_STORE_URL", f"{url!r} is not a folder's URL; write it like file:///var/lib/asya")
    return unquote(parts.path)


def _endpoint(url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise SettingsError("ASYA_S3_ENDPOINT", f"{url!r} must start with http:// or https://")
    return url
