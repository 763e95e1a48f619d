"""The component provider: AsyncActor and McpTool for programs in TypeScript, Go, C#, Java and YAML."""

import sys

from pulumi.provider import main

from asya_infra.component_provider import AsyaProvider

if __name__ == "__main__":
    main(AsyaProvider(), sys.argv[1:])
