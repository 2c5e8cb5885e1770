"""Kubernetes: what the files say to each other. scripts/check-deploy renders them and knows the schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deploy.reading import KUBERNETES, documents, resources

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


def containers(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    spec = deployment["spec"]["template"]["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


@pytest.mark.parametrize("folder", [BASE, *OVERLAYS], ids=lambda folder: folder.name)
def test_every_file_is_used_and_every_used_file_is_there(folder: Path) -> None:
    wanted = kustomization(folder)
    named = [*wanted["resources"], *(patch["path"] for patch in wanted.get("patches", []) if "path" in patch)]
    named += [file for generated in wanted.get("configMapGenerator", []) for file in generated["files"]]
    assert all((folder / name).exists() for name in named)
    here = {path.name for path in folder.iterdir()}
    assert here == {"kustomization.yaml", *(name for name in named if "/" not in name)}


def test_pods_get_names_and_no_secret() -> None:
    """The same variables as the Fargate task, by a ConfigMap; nothing comes from a Kubernetes Secret."""
    (task,) = resources("application", "AWS::ECS::TaskDefinition").values()
    fargate = {variable["Name"] for variable in task["ContainerDefinitions"][0]["Environment"]}
    assert one(BASE, "ConfigMap")["data"].keys() == fargate
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


def patched(overlay: str, kind: str) -> list[dict[str, Any]]:
    """An overlay's inline patch of the object of this kind."""
    patches = kustomization(KUBERNETES / "overlays" / overlay)["patches"]
    (text,) = [patch["patch"] for patch in patches if patch.get("target", {}).get("kind") == kind]
    return list(yaml.safe_load(text))


def test_the_mounted_file_is_the_one_that_is_read() -> None:
    folder = KUBERNETES / "overlays" / "csi-mounted"
    provider = one(folder, "SecretProviderClass")
    assert (provider["apiVersion"], provider["spec"]["provider"]) == ("secrets-store.csi.x-k8s.io/v1", "aws")
    (mounted,) = yaml.safe_load(provider["spec"]["parameters"]["objects"])
    assert mounted["objectName"] == one(BASE, "ConfigMap")["data"]["WEBAPP_SECRET"]
    spec = one(folder, "Deployment")["spec"]["template"]["spec"]
    (volume,), (mount,) = spec["volumes"], spec["containers"][0]["volumeMounts"]
    assert volume["csi"]["volumeAttributes"] == {"secretProviderClass": provider["metadata"]["name"]}
    assert (mount["name"], "subPath" in mount) == (volume["name"], False)
    (patch,) = patched("csi-mounted", "ConfigMap")
    assert patch["value"] == f"file://{mount['mountPath']}/{mounted['objectAlias']}"


def test_agent_and_application_share_one_token_in_memory() -> None:
    deployment = one(KUBERNETES / "overlays" / "agent-sidecar", "Deployment")
    agent, web = containers(deployment)[1:]
    assert agent["env"] == web["env"] == [{"name": "AWS_TOKEN", "value": "file:///token/awssmatoken"}]
    assert agent["restartPolicy"] == "Always"  # a sidecar: ready before the application starts
    volumes = {volume["name"]: volume for volume in deployment["spec"]["template"]["spec"]["volumes"]}
    assert volumes["token"]["emptyDir"]["medium"] == "Memory"
    (patch,) = patched("agent-sidecar", "ConfigMap")
    assert patch["value"] == "agent://" + one(BASE, "ConfigMap")["data"]["WEBAPP_SECRET"]


def test_one_tag_for_the_application_everywhere() -> None:
    images = [image for folder in [BASE, *OVERLAYS] for image in kustomization(folder).get("images", [])]
    tags = {(image["newName"], image["newTag"]) for image in images if image["name"] == "orders"}
    assert len(tags) == 1
    known = {image["name"] for image in images}
    for folder in [BASE, KUBERNETES / "overlays" / "agent-sidecar"]:
        assert {c["image"] for c in containers(one(folder, "Deployment")) if "image" in c} <= known
