"""Pulumi components of Asya: the mesh, its actors and its tools, on any cluster or on this machine."""

from asya_infra.actor import AsyncActor
from asya_infra.actor_args import Batch, Dedup, Delivery, Retry, Scaling, Sidecar, Timeout
from asya_infra.asya_mesh import AsyaMesh, MeshOptions
from asya_infra.connection import connect
from asya_infra.errors import ConfigError
from asya_infra.local_mesh import LocalEnvironment
from asya_infra.options import declare, mesh_options, read_declared
from asya_infra.ports import Cluster, Database, Queue, Store
from asya_infra.settings import Images, Settings, read_settings
from asya_infra.tool import McpTool

__all__ = [
    "AsyaMesh",
    "AsyncActor",
    "Batch",
    "Cluster",
    "ConfigError",
    "Database",
    "Dedup",
    "Delivery",
    "Images",
    "LocalEnvironment",
    "McpTool",
    "MeshOptions",
    "Queue",
    "Retry",
    "Scaling",
    "Settings",
    "Sidecar",
    "Store",
    "Timeout",
    "connect",
    "declare",
    "mesh_options",
    "read_declared",
    "read_settings",
]
