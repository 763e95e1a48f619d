"""The images' registry of an account and region, made once, before any mesh: somebody pushes to it first."""

import pulumi

from asya_aws import ImageRegistry
from asya_infra.config_reader import ConfigReader

read = ConfigReader()
made = ImageRegistry(read.text("registryName", "asya"), actors=read.texts("repositories"))
pulumi.export("registry", made.registry)
