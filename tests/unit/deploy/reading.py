"""Reads deploy/: CloudFormation templates with their short tags, and Kubernetes manifests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
TEMPLATES = DEPLOY / "cloudformation"
KUBERNETES = DEPLOY / "kubernetes"
ORDER = ("network", "database", "setup", "rotation", "application", "alarms")
"""In which deploy.sh brings the stacks up."""


class _Loader(yaml.SafeLoader):
    """``!Ref X`` is ``{"Ref": "X"}``, ``!GetAtt X`` is ``{"Fn::GetAtt": "X"}``, as CloudFormation reads them."""


def _short(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _short)


@lru_cache
def template(name: str, folder: Path = TEMPLATES) -> dict[str, Any]:
    """A template by its step's name."""
    return dict(yaml.load((folder / f"{name}.yaml").read_text(), Loader=_Loader))


def documents(path: Path) -> list[dict[str, Any]]:
    """All documents of one YAML file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def resources(name: str, kind: str) -> dict[str, dict[str, Any]]:
    """The resources of one type in a template: logical id to properties."""
    found = template(name)["Resources"].items()
    return {key: value["Properties"] for key, value in found if value["Type"] == kind}


def statements(role: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The statements of a role's inline policies."""
    return [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]


def actions(statement: Mapping[str, Any]) -> set[str]:
    """The statement's actions; IAM takes one or a list."""
    return {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])


def leaves(value: Any) -> Iterator[Any]:
    """Every scalar in it, keys included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


REFERENCE = re.compile(r"\$\{([A-Za-z0-9:.]+)\}")


def references(value: Any) -> Iterator[str]:
    """The names that Ref, GetAtt and Sub in it mean, without attributes and AWS's own."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in {"Ref", "Fn::GetAtt"}:
                yield str(inner if isinstance(inner, str) else inner[0]).partition(".")[0]
            elif key == "Fn::Sub":
                text, local = (inner, {}) if isinstance(inner, str) else inner
                yield from (name.partition(".")[0] for name in REFERENCE.findall(text) if name not in local)
                yield from references(local)
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def holds(condition: Any, parameters: Mapping[str, str], conditions: Mapping[str, Any]) -> bool:
    """Whether a condition is true for these parameters."""
    if isinstance(condition, str):
        return holds(conditions[condition], parameters, conditions)
    ((kind, arguments),) = condition.items()
    if kind == "Condition":
        return holds(arguments, parameters, conditions)
    if kind == "Fn::Equals":
        left, right = (parameters[one["Ref"]] if isinstance(one, dict) else one for one in arguments)
        return bool(left == right)
    inner = [holds(one, parameters, conditions) for one in arguments]
    return {"Fn::And": all, "Fn::Or": any, "Fn::Not": lambda values: not values[0]}[kind](inner)
