"""Kubernetes: what the files say to each other. scripts/check-deploy renders them and knows the schemas."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deploy.reading import DEPLOY, KUBERNETES, documents, resources

BASE = KUBERNETES / "base"
OVERLAYS = sorted((KUBERNETES / "overlays").iterdir(), key=lambda folder: folder.name)
LOCKED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
}


def kustomization(folder: Path) -> dict[str, Any]:
    return documents(folder / "kustomization.yaml")[0]


def one(folder: Path, kind: str) -> dict[str, Any]:
    """The document of this kind in a folder."""
    everything = [document for path in sorted(folder.glob("*.yaml")) for document in documents(path)]
    (found,) = [document for document in everything if document["kind"] == kind]
    return found


def environment(overlay: str = "") -> dict[str, str]:
    """The pods' variables, of the base or those an overlay changes. Generated: a change of one changes the pods."""
    folder = KUBERNETES / "overlays" / overlay if overlay else BASE
    (generated,) = [one for one in kustomization(folder)["configMapGenerator"] if one["name"] == "orders"]
    assert generated.get("behavior") == ("merge" if overlay else None)
    lines = list(generated.get("literals", []))
    for file in generated.get("envs", []):
        lines += [line for line in (folder / file).read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_no_map_is_written_by_hand() -> None:
    """It would keep its name when it changes, and the pods would keep the old values."""
    for path in KUBERNETES.rglob("*.yaml"):
        assert "kind: ConfigMap\n" not in path.read_text(), path


def test_the_disruption_budget_covers_the_pods() -> None:
    """kustomize writes its labels into the selectors of deployments and services, and not into this one."""
    budget = one(BASE, "PodDisruptionBudget")
    (labels,) = kustomization(BASE)["labels"]
    assert budget["spec"]["selector"]["matchLabels"] == labels["pairs"]


def test_a_pod_that_ends_gets_no_more_requests_and_finishes_those_it_has() -> None:
    """The load balancer: told by the readiness gate who is there, given time to look away, then patient."""
    gate = one(BASE, "Namespace")["metadata"]["labels"]["elbv2.k8s.aws/pod-readiness-gate-inject"]
    assert gate == "enabled"
    spec = one(BASE, "Deployment")["spec"]["template"]["spec"]
    away = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    gunicorn: dict[str, Any] = {}
    exec((DEPLOY.parent / "examples" / "webapp" / "gunicorn.conf.py").read_text(), gunicorn)
    assert away >= 15
    assert spec["terminationGracePeriodSeconds"] >= away + gunicorn["graceful_timeout"] + 5
    annotation = one(BASE, "Ingress")["metadata"]["annotations"]["alb.ingress.kubernetes.io/target-group-attributes"]
    name, seconds = annotation.split("=")
    assert name == "deregistration_delay.timeout_seconds"
    assert int(seconds) >= gunicorn["graceful_timeout"]


def test_the_ingress_lets_the_outside_reach_the_form_alone() -> None:
    (rule,) = one(BASE, "Ingress")["spec"]["rules"]
    assert [(path["path"], path["pathType"]) for path in rule["http"]["paths"]] == [
        ("/", "Exact"),
        ("/static", "Prefix"),
    ]
    assert "defaultBackend" not in one(BASE, "Ingress")["spec"]


def test_names_are_resolved_wherever_dns_is() -> None:
    """On EKS Auto Mode it is a service of the node: no pod of kube-system."""
    dns = [
        rule
        for rule in one(BASE, "NetworkPolicy")["spec"]["egress"]
        if {"protocol": "UDP", "port": 53} in rule["ports"]
    ]
    assert dns == [{"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}]


def test_the_csi_driver_follows_rotations_and_gets_tokens_for_both_kinds_of_role() -> None:
    (values,) = documents(KUBERNETES / "csi-driver" / "values.yaml")
    assert values["enableSecretRotation"] is True
    assert values["syncSecret"] == {"enabled": False}
    assert {one["audience"] for one in values["tokenRequests"]} == {"pods.eks.amazonaws.com", "sts.amazonaws.com"}


def test_the_agent_asks_no_service_without_an_endpoint() -> None:
    """It would ask STS before it starts."""
    agent = tomllib.loads((KUBERNETES / "overlays" / "agent-sidecar" / "agent.toml").read_text())
    assert agent["validate_credentials"] is False


def containers(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    spec = deployment["spec"]["template"]["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


@pytest.mark.parametrize("folder", [BASE, *OVERLAYS], ids=lambda folder: folder.name)
def test_every_file_is_used_and_every_used_file_is_there(folder: Path) -> None:
    wanted = kustomization(folder)
    named = [*wanted["resources"], *(patch["path"] for patch in wanted.get("patches", []) if "path" in patch)]
    for generated in wanted.get("configMapGenerator", []):
        named += [*generated.get("files", []), *generated.get("envs", [])]
    assert all((folder / name).exists() for name in named)
    here = {path.name for path in folder.iterdir()}
    assert here == {"kustomization.yaml", *(name for name in named if "/" not in name)}


def test_pods_get_names_and_no_secret() -> None:
    """The same variables as the Fargate task, by a ConfigMap; nothing comes from a Kubernetes Secret."""
    (task,) = resources("application", "AWS::ECS::TaskDefinition").values()
    fargate = {variable["Name"] for variable in task["ContainerDefinitions"][0]["Environment"]}
    assert environment().keys() == fargate
    for path in KUBERNETES.rglob("*.yaml"):
        assert "secretKeyRef" not in path.read_text()
        assert "kind: Secret\n" not in path.read_text()


@pytest.mark.parametrize("folder", [BASE, KUBERNETES / "overlays" / "agent-sidecar"], ids=lambda folder: folder.name)
def test_every_container_that_is_added_is_locked_down(folder: Path) -> None:
    added = [container for container in containers(one(folder, "Deployment")) if "image" in container]
    assert added
    for container in added:
        assert container["securityContext"] == LOCKED
        assert container["resources"]["limits"].keys() == {"cpu", "memory"}


def test_the_pod_is_not_root_and_has_its_probes() -> None:
    spec = one(BASE, "Deployment")["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] >= 10000
    (web,) = spec["containers"]
    paths = {probe: web[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert [mount["mountPath"] for mount in web["volumeMounts"]] == ["/tmp"]


def test_the_mounted_file_is_the_one_that_is_read() -> None:
    folder = KUBERNETES / "overlays" / "csi-mounted"
    provider = one(folder, "SecretProviderClass")
    assert (provider["apiVersion"], provider["spec"]["provider"]) == ("secrets-store.csi.x-k8s.io/v1", "aws")
    (mounted,) = yaml.safe_load(provider["spec"]["parameters"]["objects"])
    assert mounted["objectName"] == environment()["WEBAPP_SECRET"]
    spec = one(folder, "Deployment")["spec"]["template"]["spec"]
    (volume,), (mount,) = spec["volumes"], spec["containers"][0]["volumeMounts"]
    assert volume["csi"]["volumeAttributes"] == {"secretProviderClass": provider["metadata"]["name"]}
    assert (mount["name"], "subPath" in mount) == (volume["name"], False)
    assert environment("csi-mounted") == {"WEBAPP_SECRET": f"file://{mount['mountPath']}/{mounted['objectAlias']}"}


def test_agent_and_application_share_one_token_in_memory() -> None:
    deployment = one(KUBERNETES / "overlays" / "agent-sidecar", "Deployment")
    agent, web = containers(deployment)[1:]
    assert agent["env"] == web["env"] == [{"name": "AWS_TOKEN", "value": "file:///token/awssmatoken"}]
    assert agent["restartPolicy"] == "Always"  # a sidecar: ready before the application starts
    volumes = {volume["name"]: volume for volume in deployment["spec"]["template"]["spec"]["volumes"]}
    assert volumes["token"]["emptyDir"]["medium"] == "Memory"
    assert environment("agent-sidecar") == {"WEBAPP_SECRET": "agent://" + environment()["WEBAPP_SECRET"]}


def test_one_tag_for_the_application_everywhere() -> None:
    images = [image for folder in [BASE, *OVERLAYS] for image in kustomization(folder).get("images", [])]
    tags = {(image["newName"], image["newTag"]) for image in images if image["name"] == "orders"}
    assert len(tags) == 1
    known = {image["name"] for image in images}
    for folder in [BASE, KUBERNETES / "overlays" / "agent-sidecar"]:
        assert {c["image"] for c in containers(one(folder, "Deployment")) if "image" in c} <= known
