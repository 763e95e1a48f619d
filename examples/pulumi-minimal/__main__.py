"""One actor, on a laptop or on a cluster: the stack's settings say where."""

import pulumi

from asya_infra import AsyncActor, Scaling, connect

mesh = connect()
hello = AsyncActor("hello", mesh=mesh, image="hello:1", handler="hello.process", source=".", scaling=Scaling())
pulumi.export("queue", hello.queue_name)
pulumi.export("status", hello.status)
