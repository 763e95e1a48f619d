"""Settings of the object store, read from the environment that Asya 0.1.1's crew knows; nothing else reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from asya_process.settings import read, setting, starts_with
from asya_protocol.errors import SettingsError

DEFAULT_RESULTS_PREFIX: Final = "happy-asya/"
DEFAULT_ERRORS_PREFIX: Final = "error-asya/"


def _folder(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise ValueError(f"{url!r} is not a folder's URL; write it like file:///var/lib/asya")
    return unquote(parts.path)


def _account(text: str) -> str:
    if len(text) != 12 or not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{text!r} is no AWS account: 12 digits")
    return text


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Which object store, and how to reach it. With neither a folder nor a bucket nothing is persisted."""

    folder: str | None = setting("ASYA_STORE_URL", _folder, None)
    """`file:///path`: keep objects in a folder; wins over the bucket."""
    bucket: str | None = setting("ASYA_S3_BUCKET", str, None)
    """Bucket, made when it does not exist."""
    owner: str | None = setting("ASYA_S3_BUCKET_OWNER", _account, None)
    """AWS account that owns the bucket: a bucket of this name that is somebody else's is neither written nor read."""
    endpoint: str | None = setting("ASYA_S3_ENDPOINT", starts_with("http://", "https://"), None)
    """An S3 of another maker (MinIO, LocalStack), addressed by path; unset is AWS."""
    region: str = setting("ASYA_S3_REGION", str, "us-east-1", instead=("AWS_REGION",))
    """Region of the bucket."""
    access_key: str | None = setting("ASYA_S3_ACCESS_KEY", str, None, secret=True)
    """Together with the secret key; unset uses AWS's default chain."""
    secret_key: str | None = setting("ASYA_S3_SECRET_KEY", str, None, secret=True)
    """The secret of that key."""


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Where in the store each end actor keeps its objects; an empty prefix is kept, as in Asya 0.1.1."""

    results: str = setting("ASYA_S3_RESULTS_PREFIX", str, DEFAULT_RESULTS_PREFIX, keeps_empty=True)
    """Happy-end's key prefix; may be set to empty."""
    errors: str = setting("ASYA_S3_ERRORS_PREFIX", str, DEFAULT_ERRORS_PREFIX, keeps_empty=True)
    """Error-end's key prefix; may be set to empty."""


def read_store_settings(environ: Mapping[str, str]) -> StoreSettings:
    """Read the store's settings; an empty value equals unset.

    Raises:
        SettingsError: A value cannot be used; names the variable.
    """
    settings = read(StoreSettings, environ)
    if (settings.access_key is None) != (settings.secret_key is None):
        missing = "ASYA_S3_ACCESS_KEY" if settings.access_key is None else "ASYA_S3_SECRET_KEY"
        raise SettingsError(missing, "must be set too: the access key and the secret key belong together")
    return settings
