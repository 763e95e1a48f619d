"""The stand-in for pulumi-resource-aws: one module per AWS service, one class per resource type, a table of them all."""
