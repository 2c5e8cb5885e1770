"""Every template, deployed in order to moto's CloudFormation as far as it knows the types; what it does not is listed.

Shows that parameters, references and outputs of the six fit together when somebody resolves them. It does not show that
AWS takes the properties: moto reads few of them. scripts/check-deploy runs it: it needs moto[cloudformation], which is
not in the environment of the other tests.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import moto
import pytest
from moto.cloudformation import parsing

from tests.unit.deploy.reading import ORDER, leaves, references, template

REGION = "eu-central-1"
GIVEN = {
    "Project": "orders",
    "DomainName": "orders.example.com",
    "S3PrefixListId": "pl-1234",
    "Image": "orders:1",
    "SetupImage": "orders:setup-1",
    "StatusCidr": "192.0.2.0/24",
    "AlarmEmail": "you@example.com",
}
UNKNOWN: Mapping[str, set[str]] = {
    "network": {"AWS::EC2::SecurityGroupEgress"},
    "database": {
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBClusterParameterGroup",
        "AWS::SecretsManager::Secret",
        "AWS::SecretsManager::SecretTargetAttachment",
    },
    "rotation": {"AWS::SecretsManager::RotationSchedule"},
    "application": {"AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy"},
    "alarms": {"AWS::CloudWatch::Alarm", "AWS::Logs::MetricFilter", "AWS::SNS::Subscription"},
}
"""By template, the types that moto does not know: they are left out, and outputs that name them have stand-ins."""

ATTRIBUTES = {"LoadBalancer.LoadBalancerFullName", "Targets.TargetGroupFullName"}
"""Attributes that moto does not know, of resources that it does: outputs of them have stand-ins too."""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in {"AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t", "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    with moto.mock_aws(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # moto's own code
        yield boto3.client("cloudformation")


def unknown(name: str) -> set[str]:
    types = {resource["Type"] for resource in template(name)["Resources"].values()}
    return {kind for kind in types if parsing.resource_class_from_type(kind) is None}


def spelt_out(value: Any) -> Any:
    """``{"Fn::GetAtt": "Key.Arn"}`` as JSON has it, ``{"Fn::GetAtt": ["Key", "Arn"]}``."""
    if isinstance(value, dict):
        inner = {key: spelt_out(one) for key, one in value.items()}
        attribute = inner.get("Fn::GetAtt")
        return {"Fn::GetAtt": attribute.split(".", 1)} if isinstance(attribute, str) else inner
    return [spelt_out(one) for one in value] if isinstance(value, list) else value


def known_part(name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The template without what moto does not know, and stand-ins for the outputs that name it."""
    whole, left_out = template(name), unknown(name)
    missing = {key for key, resource in whole["Resources"].items() if resource["Type"] in left_out}
    missing |= {key for key, resource in whole["Resources"].items() if missing & set(references(resource))}
    resources = {key: dict(one) for key, one in whole["Resources"].items() if key not in missing}
    for one in resources.values():
        if one.get("DependsOn") in missing:
            del one["DependsOn"]
    outputs = {
        key: one
        for key, one in whole["Outputs"].items()
        if not missing & set(references(one)) and not ATTRIBUTES & set(leaves(one))
    }
    part = {key: value for key, value in whole.items() if key != "Transform"}
    arn = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:"
    stand_ins = {key: (arn if key.endswith("Arn") else "") + key for key in whole["Outputs"].keys() - outputs.keys()}
    return spelt_out({**part, "Resources": resources, "Outputs": outputs}), stand_ins


def deploy(aws: Any, name: str, known: Mapping[str, str]) -> dict[str, str]:
    """Deploy one stack with the parameters that are known under their names, as deploy.sh does; its outputs."""
    part, outputs = known_part(name)
    parameters = [{"ParameterKey": key, "ParameterValue": known[key]} for key in part["Parameters"] if key in known]
    stack = f"orders-{name}"
    aws.create_stack(StackName=stack, TemplateBody=json.dumps(part), Parameters=parameters)
    (told,) = aws.describe_stacks(StackName=stack)["Stacks"]
    assert told["StackStatus"] == "CREATE_COMPLETE"
    outputs |= {one["OutputKey"]: str(one["OutputValue"]) for one in told.get("Outputs", [])}
    assert outputs.keys() == set(template(name)["Outputs"])
    assert "None" not in outputs.values()
    return outputs


@pytest.mark.parametrize(("engine", "strategy"), [("postgresql", "single-user"), ("mysql", "alternating-users")])
def test_the_stacks_come_up_one_with_the_outputs_of_the_others(aws: Any, engine: str, strategy: str) -> None:
    certificate = boto3.client("acm").request_certificate(DomainName=GIVEN["DomainName"])["CertificateArn"]
    known = {**GIVEN, "CertificateArn": certificate, "Engine": engine, "Strategy": strategy}
    for name in ORDER:
        known |= deploy(aws, name, known)


def test_what_is_left_out_drags_only_auroras_instances_with_it() -> None:
    dragged = {
        key
        for name in ORDER
        for key in template(name)["Resources"].keys() - known_part(name)[0]["Resources"].keys()
        if template(name)["Resources"][key]["Type"] not in UNKNOWN.get(name, set())
    }
    assert dragged == {"Writer", "Reader"}


@pytest.mark.parametrize("name", ORDER)
def test_what_moto_does_not_know_is_listed(name: str) -> None:
    assert unknown(name) == UNKNOWN.get(name, set())
