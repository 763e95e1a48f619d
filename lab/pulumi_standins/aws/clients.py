"""AWS's APIs as the provider's configuration names them: region, account and an endpoint per service."""

import json
import os
import threading
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from lab.pulumi_standins.wire import Properties

ENDPOINT_VARIABLE: Final = "STANDIN_AWS_ENDPOINT"
"""Where every service is that the provider's own ``endpoints`` do not name: LocalStack."""
MOTO_VARIABLE: Final = "STANDIN_MOTO_ENDPOINT"
"""Where EKS and RDS are, which LocalStack 4.14 does not have without an account; and EC2, whose subnets they must find.

LocalStack's EC2 is moto's as well."""
EMULATED_VARIABLE: Final = "STANDIN_EMULATED"
"""A file for what neither has."""
MOTO_SERVICES: Final = frozenset({"eks", "rds", "ec2"})

_MAKING: Final = threading.Lock()
"""boto3 makes clients on one session for all threads and providers, and is not made for two at once."""
_ABSENT: Final = ("NotFound", "NoSuch", "NonExistent", "DoesNotExist", "404")


class Clients:
    """boto3 clients, made once per service; safe for threads."""

    def __init__(self, configuration: Properties) -> None:
        self.region = str(configuration.get("region") or os.environ.get("AWS_REGION") or "us-east-1")
        self._key = str(configuration.get("accessKey") or "test")
        self._secret = str(configuration.get("secretKey") or "test")
        self._endpoints = _endpoints(configuration.get("endpoints"))
        self._default_tags = _default_tags(configuration.get("defaultTags"))
        self._made: dict[str, Any] = {}

    def __getitem__(self, service: str) -> Any:
        """The client of a service, by boto3's name for it."""
        with _MAKING:
            if service not in self._made:
                self._made[service] = boto3.client(
                    service,  # type: ignore[call-overload]
                    region_name=self.region,
                    endpoint_url=self._endpoint(service),
                    aws_access_key_id=self._key,
                    aws_secret_access_key=self._secret,
                    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5}),
                )
            return self._made[service]

    @property
    def account(self) -> str:
        """The account that the credentials belong to."""
        return str(self["sts"].get_caller_identity()["Account"])

    def tags(self, inputs: Properties) -> dict[str, str]:
        """All tags of a resource: the provider's defaults, and its own over them."""
        return {**self._default_tags, **(inputs.get("tags") or {})}

    def tag_list(self, inputs: Properties) -> list[dict[str, str]]:
        """The same in the form that most services take."""
        return [{"Key": key, "Value": value} for key, value in self.tags(inputs).items()]

    def _endpoint(self, service: str) -> str:
        if service in self._endpoints and service not in MOTO_SERVICES:
            return self._endpoints[service]
        variable = MOTO_VARIABLE if service in MOTO_SERVICES else ENDPOINT_VARIABLE
        if variable not in os.environ:
            raise RuntimeError(f"{variable} is not set: the stand-in for AWS does not know where {service} is")
        return os.environ[variable]


def is_absent(error: ClientError) -> bool:
    """Whether a service says that a thing does not exist."""
    code = str(error.response["Error"]["Code"])
    return any(word in code for word in _ABSENT)


def _endpoints(value: Any) -> dict[str, str]:
    # A provider's nested configuration arrives as JSON text.
    listed = json.loads(value) if isinstance(value, str) else value or []
    return {service: str(url) for entry in listed for service, url in entry.items() if url}


def _default_tags(value: Any) -> dict[str, str]:
    given = json.loads(value) if isinstance(value, str) else value or {}
    return {str(key): str(tag) for key, tag in (given.get("tags") or {}).items()}
