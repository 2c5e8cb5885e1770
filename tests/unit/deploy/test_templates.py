"""What must be true of the templates beyond what cfn-lint and checkov know (scripts/check-deploy runs those)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.deploy.reading import (
    KUBERNETES,
    ORDER,
    TEMPLATES,
    actions,
    holds,
    leaves,
    references,
    resources,
    statements,
    template,
)

SETTINGS = {"Project", "DomainName", "CertificateArn", "S3PrefixListId", "SetupImage", "Image"}
"""Parameters without a default that deploy.sh knows by itself."""

READ = {"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}


def test_these_are_all_templates() -> None:
    assert {path.stem for path in TEMPLATES.glob("*.yaml")} == set(ORDER)


def test_a_template_gets_every_parameter_from_a_setting_or_an_earlier_stack() -> None:
    outputs: set[str] = set()
    for name in ORDER:
        parameters = template(name)["Parameters"]
        needed = {key for key, value in parameters.items() if "Default" not in value}
        assert needed <= outputs | SETTINGS, name
        outputs |= template(name)["Outputs"].keys()


@pytest.mark.parametrize("name", ORDER)
def test_no_stack_is_given_its_own_outputs(name: str) -> None:
    """deploy.sh passes what is known under a parameter's name; a new VPC must not come back as the existing one."""
    later = {output for other in ORDER[ORDER.index(name) :] for output in template(other)["Outputs"]}
    assert not later & template(name)["Parameters"].keys()


@pytest.mark.parametrize("name", ORDER)
def test_no_template_resolves_or_holds_a_secret(name: str) -> None:
    found = list(leaves(template(name)))
    assert not any(isinstance(leaf, str) and "{{resolve:" in leaf for leaf in found)
    assert not {"MasterUserPassword", "SecretString"} & set(found)  # ManageMasterUserPassword, GenerateSecretString
    assert not any("NoEcho" in parameter for parameter in template(name)["Parameters"].values())


@pytest.mark.parametrize("name", ["setup", "application"])
def test_containers_get_names_and_no_secret(name: str) -> None:
    (task,) = resources(name, "AWS::ECS::TaskDefinition").values()
    (container,) = task["ContainerDefinitions"]
    assert "Secrets" not in container  # ECS would put their contents into the environment
    assert container["ReadonlyRootFilesystem"] is True
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    for variable in container["Environment"]:
        value = variable["Value"]
        if isinstance(value, dict) and "Fn::If" in value:
            _, value, otherwise = value["Fn::If"]
            assert otherwise == ""
        if "SECRET" in variable["Name"]:
            assert value["Ref"].endswith("SecretArn"), variable["Name"]
        else:
            assert isinstance(value, str) or value["Ref"] in {
                "AWS::Region",
                "Engine",
                "DomainName",
                "DatabaseHost",
                "DatabaseName",
            }


def test_the_tasks_role_reads_two_secrets_with_one_key_and_nothing_else() -> None:
    role = resources("application", "AWS::IAM::Role")["TaskRole"]
    login, django, key = statements(role)
    assert (actions(login), login["Resource"]) == (READ, {"Ref": "ApplicationSecretArn"})
    assert (actions(django), django["Resource"]) == (READ, {"Ref": "DjangoKeySecretArn"})
    assert (actions(key), key["Resource"]) == ({"kms:Decrypt"}, {"Ref": "KeyArn"})
    condition = key["Condition"]["StringEquals"]
    assert condition["kms:ViaService"] == {"Fn::Sub": "secretsmanager.${AWS::Region}.amazonaws.com"}
    assert condition["kms:EncryptionContext:SecretARN"] == [
        {"Ref": "ApplicationSecretArn"},
        {"Ref": "DjangoKeySecretArn"},
    ]
    assert "ManagedPolicyArns" not in role


def test_pods_may_do_what_the_task_may() -> None:
    pod = template("pod-role", KUBERNETES / "iam")["Resources"]["PodRole"]["Properties"]
    assert statements(pod) == statements(resources("application", "AWS::IAM::Role")["TaskRole"])
    assert "ManagedPolicyArns" not in pod


@pytest.mark.parametrize("name", ["setup", "application"])
def test_no_role_has_a_wildcard_but_for_the_registrys_token(name: str) -> None:
    for role in resources(name, "AWS::IAM::Role").values():
        for statement in statements(role):
            assert not any("*" in action for action in actions(statement))
            assert statement["Resource"] != "*" or actions(statement) == {"ecr:GetAuthorizationToken"}


def test_only_the_setup_task_reads_the_main_login() -> None:
    using = {name for name in ORDER if any(leaf == "MainSecretArn" for leaf in leaves(template(name)["Resources"]))}
    assert using == {"setup"}


def test_another_strategy_changes_no_secret() -> None:
    """CloudFormation makes a new password when GenerateSecretString changes, and the database would not know it."""
    assert "Strategy" not in template("database")["Parameters"]
    for secret in resources("database", "AWS::SecretsManager::Secret").values():
        assert not any(str(leaf).startswith("Fn::If") for leaf in leaves(secret["GenerateSecretString"]))


EXPECTED = {
    ("postgresql", "single-user"): {"ApplicationSecretArn": "PostgreSQLSingleUser"},
    ("postgresql", "alternating-users"): {
        "ApplicationSecretArn": "PostgreSQLMultiUser",
        "RotatorSecretArn": "PostgreSQLSingleUser",
    },
    ("mysql", "single-user"): {"ApplicationSecretArn": "MySQLSingleUser"},
    ("mysql", "alternating-users"): {"ApplicationSecretArn": "MySQLMultiUser", "RotatorSecretArn": "MySQLSingleUser"},
}


@pytest.mark.parametrize(("engine", "strategy"), EXPECTED)
def test_each_secret_has_the_one_schedule_it_needs(engine: str, strategy: str) -> None:
    rotation = template("rotation")
    parameters = {"Engine": engine, "Strategy": strategy}
    active = [
        resource["Properties"]
        for resource in rotation["Resources"].values()
        if "Condition" in resource and holds(resource["Condition"], parameters, rotation["Conditions"])
    ]
    types = {one["SecretId"]["Ref"]: one["HostedRotationLambda"]["RotationType"] for one in active}
    assert types == EXPECTED[engine, strategy]
    assert len(active) == len(types)
    for one in active:
        superuser = one["HostedRotationLambda"].get("SuperuserSecretArn")
        assert superuser == ({"Ref": "RotatorSecretArn"} if "Multi" in types[one["SecretId"]["Ref"]] else None)
        assert one["RotateImmediatelyOnUpdate"] is False  # the setup task may not have run yet


def test_a_rotated_password_has_the_characters_a_generated_one_has() -> None:
    generated = {
        one["GenerateSecretString"]["ExcludeCharacters"]
        for key, one in resources("database", "AWS::SecretsManager::Secret").items()
        if key != "DjangoKeySecret"
    }
    rotated = {
        one["HostedRotationLambda"]["ExcludeCharacters"]
        for one in resources("rotation", "AWS::SecretsManager::RotationSchedule").values()
    }
    assert generated == rotated == {"/@\"'\\:"}


def test_only_the_load_balancer_is_open_to_others() -> None:
    """Everybody else takes connections from named groups only."""
    for key, group in resources("network", "AWS::EC2::SecurityGroup").items():
        open_to = [rule["CidrIp"] for rule in group.get("SecurityGroupIngress", []) if "CidrIp" in rule]
        assert bool(open_to) == (key == "LoadBalancerSecurityGroup")
        assert group["SecurityGroupEgress"], "without a rule AWS adds one that allows all"
    rules = resources("network", "AWS::EC2::SecurityGroupIngress").values()
    to_database = [rule for rule in rules if rule["GroupId"] == {"Ref": "DatabaseSecurityGroup"}]
    assert {rule["SourceSecurityGroupId"]["Ref"] for rule in to_database} == {
        "ApplicationSecurityGroup",
        "RotationSecurityGroup",
    }


def test_every_log_is_encrypted_and_ends() -> None:
    groups = [group for name in ORDER for group in resources(name, "AWS::Logs::LogGroup").values()]
    assert len(groups) == 3
    for group in groups:
        assert group["KmsKeyId"]
        assert group["RetentionInDays"]


def test_the_key_lets_cloudwatch_logs_use_it_for_these_logs() -> None:
    (key,) = resources("database", "AWS::KMS::Key").values()
    allowed = str([s["Condition"] for s in key["KeyPolicy"]["Statement"] if s["Sid"] == "LogGroupsOfThisProject"])
    for name in ORDER:
        for group in resources(name, "AWS::Logs::LogGroup").values():
            text = _text(group["LogGroupName"])
            prefix = "/aws/rds/cluster/${Project}/" if text.startswith("/aws/") else "/${Project}/"
            assert text.startswith(prefix)
            assert f"log-group:{prefix}*" in allowed


def _text(value: Any) -> str:
    inner = value["Fn::Sub"]
    return str(inner if isinstance(inner, str) else inner[0])


def test_the_outside_reaches_the_form_alone() -> None:
    """/status/ shows the database's user, hosts and processes; /readyz logs in."""
    listeners = resources("application", "AWS::ElasticLoadBalancingV2::Listener").values()
    assert not [one for one in listeners for action in one["DefaultActions"] if action["Type"] == "forward"]
    rules = template("application")["Resources"]
    form = rules["FormRule"]["Properties"]["Conditions"]
    assert form == [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/", "/static/*"]}}]
    assert rules["StatusRule"]["Condition"] == "HasStatus"
    paths, addresses = rules["StatusRule"]["Properties"]["Conditions"]
    assert paths["PathPatternConfig"]["Values"] == ["/status/*"]
    assert addresses["SourceIpConfig"]["Values"] == [{"Ref": "StatusCidr"}]
    assert template("application")["Parameters"]["StatusCidr"]["Default"] == ""
    assert rules["Service"]["DependsOn"] == "FormRule", "its target group has no load balancer before"


def test_a_deployment_leaves_the_number_of_tasks_to_the_scaling() -> None:
    (service,) = resources("application", "AWS::ECS::Service").values()
    assert "DesiredCount" not in service


def test_a_first_deployment_that_fails_leaves_nothing_behind() -> None:
    """Else its names are taken when it is repeated."""
    for name in ORDER:
        for key, resource in template(name)["Resources"].items():
            assert resource.get("DeletionPolicy") != "Retain", (name, key)
    cluster = resources("database", "AWS::RDS::DBCluster")["Cluster"]
    (balancer,) = resources("application", "AWS::ElasticLoadBalancingV2::LoadBalancer").values()
    attributes = {one["Key"]: one["Value"] for one in balancer["LoadBalancerAttributes"]}
    protected = {"Ref": "DeletionProtection"}
    assert cluster["DeletionProtection"] == attributes["deletion_protection.enabled"] == protected
    for name in ("database", "application"):
        assert template(name)["Parameters"]["DeletionProtection"]["Default"] == "false"


def test_tasks_reach_the_endpoints_that_are_there_already() -> None:
    network = template("network")
    group = {
        "Fn::If": ["NewEndpointGroup", {"Ref": "EndpointSecurityGroup"}, {"Ref": "ExistingEndpointSecurityGroupId"}]
    }
    for source in ("Application", "Rotation"):
        assert network["Resources"][f"{source}ToEndpoints"]["Properties"]["DestinationSecurityGroupId"] == group
        assert network["Resources"][f"EndpointsFrom{source}"]["Properties"]["GroupId"] == group
    for endpoint in resources("network", "AWS::EC2::VPCEndpoint").values():
        assert endpoint.get("SecurityGroupIds", [group]) == [group]
    (rule,) = network["Rules"].values()
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "Endpoints"}, "no"]}


def test_the_way_to_s3_is_for_image_layers() -> None:
    endpoint = resources("network", "AWS::EC2::VPCEndpoint")["S3Endpoint"]
    (statement,) = endpoint["PolicyDocument"]["Statement"]
    assert actions(statement) == {"s3:GetObject"}
    assert statement["Resource"] == {
        "Fn::Sub": "arn:${AWS::Partition}:s3:::prod-${AWS::Region}-starport-layer-bucket/*"
    }


def test_who_rotates_by_hand_may_call_the_function() -> None:
    (policy,) = resources("rotation", "AWS::IAM::ManagedPolicy").values()
    secret, function = policy["PolicyDocument"]["Statement"]
    assert actions(secret) == {"secretsmanager:RotateSecret", "secretsmanager:DescribeSecret"}
    assert actions(function) == {"lambda:InvokeFunction"}
    assert function["Resource"]["Fn::Sub"].endswith(":function:${Project}-rotate-application")


@pytest.mark.parametrize("name", ORDER)
def test_what_a_template_names_is_there_and_what_it_takes_is_used(name: str) -> None:
    it = template(name)
    named = {one for one in references(it) if not one.startswith("AWS::")}
    assert named <= it["Parameters"].keys() | it["Resources"].keys()
    assert it["Parameters"].keys() <= named
    conditions = it.get("Conditions", {}).keys()
    used = {one["Condition"] for one in [*it["Resources"].values(), *it["Outputs"].values()] if "Condition" in one}
    assert used <= conditions


def test_functions_are_watched_and_allowed_under_the_names_they_have() -> None:
    schedules = resources("rotation", "AWS::SecretsManager::RotationSchedule").values()
    made = {one["HostedRotationLambda"]["RotationLambdaName"]["Fn::Sub"] for one in schedules}
    alarms = template("alarms")["Resources"]
    watched = {
        key: alarm["Properties"]["Dimensions"][0]["Value"]
        for key, alarm in alarms.items()
        if alarm["Properties"].get("Namespace") == "AWS/Lambda"
    }
    assert watched == {
        "RotationAlarm": {"Ref": "RotationFunctionName"},
        "RotatorRotationAlarm": {"Fn::Sub": "${Project}-rotate-rotator"},
    }
    assert alarms["RotatorRotationAlarm"]["Condition"] == "HasRotator"
    assert made == {
        "${Project}-rotate-rotator",
        template("rotation")["Outputs"]["RotationFunctionName"]["Value"]["Fn::Sub"],
    }
