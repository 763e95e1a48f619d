"""All objects of one actor, in the order in which they are applied. Pure."""

from typing import Any

from asya_manifest.actor import AsyncActor
from asya_manifest.errors import InvalidActor, ManifestError, Problem
from asya_manifest.labels import service_account_name
from asya_manifest.problems import RuleBroken
from asya_operator.specs import companions
from asya_operator.specs.actor_policy import forbidden
from asya_operator.specs.context import RenderContext
from asya_operator.specs.meta import metrics_port
from asya_operator.specs.pod_template import needs_role
from asya_operator.specs.scaled_object import (
    build_scaled_object,
    build_trigger_authentication,
    build_trigger_names,
    needs_user_name,
    signs_in_with_password,
)
from asya_operator.specs.workload import build_workload
from asya_operator.transport_config import SqsConfig


def render(actor: AsyncActor, uid: str, context: RenderContext) -> list[dict[str, Any]]:
    """Render an actor.

    Args:
        actor: As declared.
        uid: Its uid, for owner references.
        context: The operator's side.

    Raises:
        ManifestError: The actor cannot run on this transport as it is.
    """
    if context.restricted and (problems := list(forbidden(actor))):
        raise InvalidActor(actor.name, problems)
    objects = [companions.build_runtime_config_map(context)]
    if needs_role(context):
        own = (actor.spec.workload.template.spec.model_extra or {}).get("serviceAccountName")
        if own not in (None, service_account_name(actor.name)):
            raise ManifestError(
                f"cannot use custom serviceAccountName {own!r} when IRSA (actorRoleArn) is configured: the actor runs as "
                f"{service_account_name(actor.name)}"
            )
        objects.append(companions.build_service_account(actor, uid, context))
    if actor.spec.workload.kind == "StatefulSet":
        objects.append(companions.build_headless_service(actor, uid, context))
    try:
        objects.append(build_workload(actor, uid, context))
    except RuleBroken as exc:  # the sidecar's environment refers to one of ours that it replaces
        raise InvalidActor(actor.name, [Problem("spec.sidecar.env", each.text) for each in exc.problems]) from None
    if context.network_policy:
        objects.append(companions.build_network_policy(actor, uid, context))
    scaling = actor.spec.scaling
    if (scaling.max_replicas if scaling.enabled else actor.spec.workload.replicas) > 1:
        objects.append(companions.build_pod_disruption_budget(actor, uid, context))
    if context.pod_monitor and metrics_port(actor) is not None:
        objects.append(companions.build_pod_monitor(actor, uid, context))
    if scaling.enabled:
        objects += _scaling(actor, uid, context)
    return objects


def _scaling(actor: AsyncActor, uid: str, context: RenderContext) -> list[dict[str, Any]]:
    objects = []
    if needs_user_name(context.transport):
        objects.append(build_trigger_names(actor, uid, context))
    if signs_in_with_password(context.transport) or isinstance(context.transport.config, SqsConfig):
        objects.append(build_trigger_authentication(actor, uid, context))
    return [*objects, build_scaled_object(actor, uid, context)]
