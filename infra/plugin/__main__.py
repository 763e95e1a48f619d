"""The component provider: AsyncActor and McpTool for programs in TypeScript, Go, C#, Java and YAML."""

from pulumi.provider.experimental import component_provider_host

from asya_infra.remote import COMPONENTS, PACKAGE
from asya_infra.settings import VERSION

if __name__ == "__main__":
    component_provider_host(components=COMPONENTS, name=PACKAGE, version=VERSION)
