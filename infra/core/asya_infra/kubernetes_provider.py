"""The provider of a cluster's objects; the one place that imports ``pulumi_kubernetes``."""

import pulumi
import pulumi_kubernetes


def kubernetes_provider(
    name: str,
    kubeconfig: pulumi.Input[str],
    context: str | None,
    identity: pulumi.Input[str],
    *,
    adopt: bool = False,
    opts: pulumi.ResourceOptions | None = None,
) -> pulumi_kubernetes.Provider:
    """A provider that knows its cluster by a name of its own, so that new credentials do not replace everything in it.

    A cluster that was deleted by hand keeps its stack from being destroyed, unless PULUMI_K8S_DELETE_UNREACHABLE says that it
    is gone: one that only does not answer just now must not lose its state.

    Args:
        name: Of the resource.
        kubeconfig: Its content.
        context: Of the kubeconfig.
        identity: Changes only with the cluster.
        adopt: Let objects that exist be taken over; since 4.29 the provider else refuses them.
        opts: Of the resource.
    """
    return pulumi_kubernetes.Provider(
        name,
        kubeconfig=pulumi.Output.secret(kubeconfig),
        context=context,
        cluster_identifier=identity,
        enable_server_side_apply=True,
        opts=opts,
        **({"upsert_existing_objects": True} if adopt else {}),
    )
