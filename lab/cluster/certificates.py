"""Keys and certificates: one authority for the cluster and another one for aggregated APIs.

Kubernetes insists on the second: whoever the first signs is a client, and a front proxy speaks in other clients' names.
"""

import subprocess
from pathlib import Path
from typing import Final

_CURVE: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_DAYS: Final = "365"


def create(folder: Path, api_names: str) -> None:
    """Write all keys and certificates; ``api_names`` are the API server's alternative names in openssl's form."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for authority in ("ca", "front-ca"):
        _openssl(
            folder,
            *("req", "-x509", *_CURVE, "-days", _DAYS, "-subj", f"/CN=asya-{authority}"),
            *("-keyout", f"{authority}.key", "-out", f"{authority}.crt"),
        )
    _signed(folder, "api", "ca", "/CN=kube-apiserver", f"subjectAltName={api_names}")
    _signed(folder, "admin", "ca", "/O=system:masters/CN=admin")
    _signed(folder, "front", "front-ca", "/CN=front-proxy")
    _openssl(folder, "genrsa", "-out", "accounts.key", "2048")
    _openssl(folder, "rsa", "-in", "accounts.key", "-pubout", "-out", "accounts.pub")


def _signed(
    folder: Path, name: str, authority: str, subject: str, extension: str = "basicConstraints=CA:FALSE"
) -> None:
    _openssl(folder, "req", *_CURVE, "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
    (folder / f"{name}.ext").write_text(extension + "\n", encoding="utf-8")
    _openssl(
        folder,
        *("x509", "-req", "-in", f"{name}.csr", "-days", _DAYS, "-extfile", f"{name}.ext", "-out", f"{name}.crt"),
        *("-CA", f"{authority}.crt", "-CAkey", f"{authority}.key", "-CAcreateserial"),
    )


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
