"""What IAM documents speak about: one account, one region, one mesh's queues, bucket and key. Pure."""

from dataclasses import dataclass

from asya_protocol import names


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One mesh's part of an account.

    Attributes:
        region: AWS region.
        account: Twelve digits.
        partition: ``aws``, ``aws-cn``, ``aws-us-gov``, ``aws-eusc``.
        dns_suffix: Of that partition's services: ``amazonaws.com``, ``amazonaws.com.cn``, ``amazonaws.eu``.
        prefix: Begins the name of every queue.
        key_arn: KMS key of queues and bucket.
        bucket: Name of the bucket; empty without one.
    """

    region: str
    account: str
    partition: str = "aws"
    dns_suffix: str = "amazonaws.com"
    prefix: str = names.QUEUE_PREFIX
    key_arn: str = ""
    bucket: str = ""

    def queue(self, name: str) -> str:
        """ARN of a queue, or of all that a pattern names."""
        return f"arn:{self.partition}:sqs:{self.region}:{self.account}:{name}"

    def actor_queue(self, actor: str) -> str:
        """ARN of an actor's queue."""
        return self.queue(f"{self.prefix}{actor}")

    @property
    def queues(self) -> str:
        """ARN of every queue of the mesh, dead letter queues among them."""
        return self.queue(f"{self.prefix}*")

    @property
    def bucket_arn(self) -> str:
        """ARN of the bucket itself."""
        return f"arn:{self.partition}:s3:::{self.bucket}"

    def objects(self, prefix: str) -> str:
        """ARN of every object below a prefix."""
        return f"{self.bucket_arn}/{prefix}*"

    def service(self, name: str) -> str:
        """Host of an AWS service in the region, which is also its name in conditions."""
        return f"{name}.{self.region}.{self.dns_suffix}"

    @property
    def root(self) -> str:
        """ARN that stands for the account."""
        return f"arn:{self.partition}:iam::{self.account}:root"

    def managed_policy(self, name: str) -> str:
        """ARN of a policy that AWS keeps."""
        return f"arn:{self.partition}:iam::aws:policy/{name}"
