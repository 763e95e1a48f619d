"""Opens the store that the settings name; boto3 is imported only for S3."""

from collections.abc import Mapping
from pathlib import Path

from asya_store.folder import FolderStore
from asya_store.port import Store
from asya_store.settings import StoreSettings, read_store_settings


def open_store(settings: StoreSettings | Mapping[str, str]) -> Store | None:
    """Open the store that the settings name; ``None`` when they name none. Nothing is connected yet.

    Args:
        settings: As read, or the environment to read: ``ASYA_STORE_URL``, ``ASYA_S3_*`` and ``AWS_REGION``.

    Raises:
        SettingsError: A value cannot be used; names the variable.
    """
    if not isinstance(settings, StoreSettings):
        settings = read_store_settings(settings)
    if settings.folder is not None:
        return FolderStore(Path(settings.folder))
    if settings.bucket is not None:
        from asya_store.s3 import S3Store, open_s3_client

        return S3Store(open_s3_client(settings), settings.bucket, settings.region)
    return None
