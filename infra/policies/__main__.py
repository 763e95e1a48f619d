"""The policy pack: ``pulumi preview --policy-pack infra/policies``. The rules are ``asya_infra.guardrails``."""

from collections.abc import Callable

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)

from asya_infra.guardrails import GUARDRAILS, Guardrail


def _validate(guardrail: Guardrail) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for problem in guardrail.problems(args.resource_type, args.props):
            report(f"{args.name} {problem}", None)

    return validate


PolicyPack(
    name="asya",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        ResourceValidationPolicy(
            name=each.name,
            description=each.description,
            validate=_validate(each),
            enforcement_level=EnforcementLevel.MANDATORY if each.demanded else EnforcementLevel.DISABLED,
        )
        for each in GUARDRAILS
    ],
)
