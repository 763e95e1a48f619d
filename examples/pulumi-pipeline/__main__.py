"""Three actors and a tool that calls them, declared once for every environment."""

import pulumi

from asya_infra import AsyncActor, McpTool, Retry, Scaling, connect

IMAGE = "wordcount:1"

mesh = connect()


def actor(name: str, handler: str, most: int, sends_to: list[AsyncActor]) -> AsyncActor:
    return AsyncActor(
        name,
        mesh=mesh,
        image=IMAGE,
        handler=handler,
        source=".",
        scaling=Scaling(max_replicas=most, queue_length=10),
        retry=Retry(max_attempts=3, non_retryable=["TypeError"]),
        sends_to=sends_to if mesh.target.gives_roles else None,
    )


rank = actor("rank", "words.rank", 5, [])
count = actor("count", "words.count", 20, [rank])
clean = actor("clean", "words.clean", 5, [count])
McpTool(
    "count_words",
    mesh=mesh,
    route=[clean, count, rank],
    description="Counts the words of a text and names the most frequent ones",
    parameters={
        "text": {"type": "string", "required": True, "description": "Any text"},
        "most": {"type": "integer", "default": 3, "description": "How many words to name"},
    },
    timeout=60,
)
pulumi.export("queues", {each.name: each.queue_name for each in (clean, count, rank)})
pulumi.export("statuses", {each.name: each.status for each in (clean, count, rank)})
