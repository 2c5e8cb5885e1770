"""deploy.sh and rotate-now.sh with stand-ins for aws, docker and git: there is no AWS and no Docker here.

What they show is what the scripts ask for and in which order, not that AWS agrees.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.deploy.reading import DEPLOY, ORDER, template

STAND_IN = """#!{python} -SE
import json, sys
from pathlib import Path
here = Path(__file__).parent
name, arguments = Path(__file__).name, sys.argv[1:]
with (here / "calls").open("a") as calls:
    calls.write(json.dumps([name, *arguments]) + "\\n")
sys.path.insert(0, str(here))
import answers
sys.exit(answers.answer(name, arguments))
"""
ANSWERS = """
import json
from pathlib import Path
here = Path(__file__).parent
OUTPUTS = json.loads((here / "outputs").read_text())

def option(arguments, name):
    return arguments[arguments.index(name) + 1]

def answer(name, arguments):
    up = here / "up"
    up.mkdir(exist_ok=True)
    match [name, *arguments[:2]]:
        case ["git", "rev-parse", *_]: print("abcdef012345")
        case ["aws", "cloudformation", "get-template-summary"]:
            print(*OUTPUTS[Path(option(arguments, "--template-body")).stem]["parameters"], sep="\\t")
        case ["aws", "cloudformation", "deploy"]:
            given = [pair for pair in arguments if "=" in pair]
            (up / option(arguments, "--stack-name")).write_text("CREATE_COMPLETE " + " ".join(given))
        case ["aws", "cloudformation", "delete-stack"]:
            (up / option(arguments, "--stack-name")).unlink()
        case ["aws", "cloudformation", "describe-stacks"]:
            stack = option(arguments, "--stack-name")
            if not (up / stack).exists():
                return 254
            status, *given = (up / stack).read_text().split()
            query = option(arguments, "--query")
            if "StackStatus" in query:
                return print(status)
            if "Parameters" in query:
                return print(dict(pair.split("=", 1) for pair in given).get("Strategy"))
            if status != "CREATE_COMPLETE":
                return print("None")
            for key in OUTPUTS[stack.split("-", 1)[1]]["outputs"]:
                print(f"{key}\\t{key}-value")
        case ["aws", "ec2", _]: print("pl-1234")
        case ["aws", "ecr", "describe-images"]:
            image = option(arguments, "--image-ids").removeprefix("imageTag=")
            return 0 if (up / image).exists() else 254
        case ["docker", "push", image]: (up / image.rpartition(":")[2]).touch()
        case ["aws", "ecs", "run-task"]: print("arn:aws:ecs:r:1:task/orders/0123")
        case ["aws", "ecs", "describe-tasks"]: print((here / "exit-code").read_text())
    return 0
"""
SETTINGS = {
    "PROJECT": "orders",
    "AWS_REGION": "eu-central-1",
    "DOMAIN_NAME": "orders.example.com",
    "CERTIFICATE_ARN": "arn:aws:acm:eu-central-1:1:certificate/2",
}


class Place:
    """A folder with deploy/ in it and the stand-ins first on PATH."""

    def __init__(self, folder: Path, answers: str) -> None:
        self.root, self.bin = folder / "repository", folder / "bin"
        shutil.copytree(DEPLOY, self.root / "deploy", ignore=shutil.ignore_patterns("settings.env"))
        self.bin.mkdir()
        (self.bin / "answers.py").write_text(answers)
        (self.bin / "exit-code").write_text("0")
        for name in ("aws", "docker", "git"):
            (self.bin / name).write_text(STAND_IN.format(python=sys.executable))
            (self.bin / name).chmod(0o755)
        told = {
            name: {"parameters": list(template(name)["Parameters"]), "outputs": list(template(name)["Outputs"])}
            for name in ORDER
        }
        (self.bin / "outputs").write_text(json.dumps(told))

    def run(self, script: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        environ = {"PATH": path, "HOME": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"} | settings
        command = ["bash", str(self.root / "deploy" / script), *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)

    def calls(self) -> list[list[str]]:
        """What was called since the last look."""
        file = self.bin / "calls"
        calls = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        file.unlink(missing_ok=True)
        return calls


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, ANSWERS)


STACKS = ("network", "database", "setup", "setup", "rotation", "application", "alarms", "database", "application")
"""In the order in which a whole run deploys them; the last two, to protect them from deletion."""


def deployed(calls: list[list[str]]) -> list[tuple[str, dict[str, str]]]:
    """The stacks that were deployed, in order, with the parameters each was given."""
    found = []
    for call in calls:
        if call[:3] == ["aws", "cloudformation", "deploy"]:
            overrides = call[call.index("--parameter-overrides") + 1 :]
            found.append((call[call.index("--stack-name") + 1], dict(pair.split("=", 1) for pair in overrides)))
    return found


def test_all_that_is_missing_is_said_at_once_and_nothing_is_deployed(place: Place) -> None:
    done = place.run("deploy.sh", PROJECT="orders")
    assert done.returncode == 2
    assert "AWS_REGION DOMAIN_NAME CERTIFICATE_ARN" in done.stderr
    assert place.run("deploy.sh", "aplication", **SETTINGS).returncode == 2
    assert deployed(place.calls()) == []


def test_everything_comes_up_in_order_with_every_parameter_it_needs(place: Place) -> None:
    done = place.run("deploy.sh", **SETTINGS, ENGINE="mysql", STRATEGY="alternating-users")
    assert done.returncode == 0, done.stderr
    calls = place.calls()
    stacks = deployed(calls)
    assert [name for name, _ in stacks] == [f"orders-{step}" for step in STACKS]
    for name, given in stacks:
        parameters = template(name.removeprefix("orders-"))["Parameters"]
        needed = {key for key, value in parameters.items() if "Default" not in value}
        assert needed <= given.keys() <= parameters.keys()
        assert given.get("Engine", "mysql") == "mysql"
    protected = [
        given.get("DeletionProtection") for name, given in stacks if name in ("orders-database", "orders-application")
    ]
    assert protected == [None, None, "true", "true"], "not before everything is up"
    by_name = dict(stacks)
    assert by_name["orders-rotation"]["RotatorSecretArn"] == "RotatorSecretArn-value"
    assert by_name["orders-setup"]["SetupImage"] == "RepositoryUri-value:setup-abcdef012345"
    assert by_name["orders-application"]["Image"] == "RepositoryUri-value:abcdef012345"
    order = [" ".join(call[:3]) for call in calls]
    assert order.index("aws ecs run-task") < order.index("aws ecs wait")

    # Again: nothing is built, and the VPC that it made is not taken for an existing one.
    assert place.run("deploy.sh", "network", "images", **SETTINGS).returncode == 0
    calls = place.calls()
    assert not [call for call in calls if call[:2] in (["docker", "build"], ["docker", "push"])]
    assert deployed(calls) == [("orders-network", {"S3PrefixListId": "pl-1234"})]

    # One step alone knows what the others made.
    assert place.run("deploy.sh", "application", **SETTINGS).returncode == 0
    ((name, given),) = deployed(place.calls())
    assert (name, given["VpcId"]) == ("orders-application", "VpcId-value")


def test_a_first_deployment_that_failed_is_made_anew(place: Place) -> None:
    (place.bin / "up").mkdir()
    (place.bin / "up" / "orders-network").write_text("ROLLBACK_COMPLETE")
    done = place.run("deploy.sh", "network", **SETTINGS)
    assert done.returncode == 0, done.stderr
    changes = [call[2] for call in place.calls() if call[2] in ("delete-stack", "wait", "deploy")]
    assert changes == ["delete-stack", "wait", "deploy"]


def test_another_strategy_removes_the_schedules_first_and_the_same_one_does_not(place: Place) -> None:
    """Two schedules with one function name cannot be deployed at once."""
    steps = []
    for strategy in ("", "single-user", "alternating-users", "alternating-users", ""):
        done = place.run("deploy.sh", "rotation", **SETTINGS, STRATEGY=strategy)
        assert done.returncode == 0, done.stderr
        steps.append([call[2] for call in place.calls() if call[2] in ("delete-stack", "wait", "deploy")])
    again, anew = ["deploy"], ["delete-stack", "wait", "deploy"]
    assert steps == [again, again, anew, again, anew]


def test_images_are_made_for_the_tasks_and_not_for_this_machine(place: Place) -> None:
    for architecture, platform in (("", "linux/amd64"), ("ARM64", "linux/arm64")):
        settings = SETTINGS | {"ARCHITECTURE": architecture, "IMAGE_TAG": f"for-{architecture}"}
        assert place.run("deploy.sh", "setup", "images", **settings).returncode == 0
        builds = [call for call in place.calls() if call[:2] == ["docker", "build"]]
        assert [call[call.index("--platform") + 1] for call in builds] == [platform, platform]
    assert place.run("deploy.sh", **SETTINGS, ARCHITECTURE="arm").returncode != 0
    assert deployed(place.calls()) == []


def test_a_setup_task_that_fails_stops_it_before_the_application(place: Place) -> None:
    (place.bin / "exit-code").write_text("1")
    done = place.run("deploy.sh", **SETTINGS)
    assert done.returncode == 1
    assert "setup task ended with 1" in done.stderr
    assert [name for name, _ in deployed(place.calls())][-1] == "orders-setup"


ROTATION = """
import json
from pathlib import Path
steps = Path(__file__).parent / "steps"
OLD, NEW = "1b4e28ba-old", "6fa459ea-new"
SEEN = [{OLD: ["AWSCURRENT"]}, {OLD: ["AWSCURRENT"], NEW: ["AWSPENDING"]}, {OLD: ["AWSCURRENT"], NEW: ["AWSPENDING"]},
        {OLD: ["AWSPREVIOUS"], NEW: ["AWSCURRENT", "AWSPENDING"]}]

def answer(name, arguments):
    if arguments[:2] == ["secretsmanager", "rotate-secret"]:
        print(NEW)
    else:
        step = int(steps.read_text()) if steps.exists() else 0
        steps.write_text(str(step + 1))
        print(json.dumps(SEEN[min(step, LAST)]))
    return 0
"""


def test_rotate_now_shows_each_change_and_ends_when_the_new_version_is_current(tmp_path: Path) -> None:
    place = Place(tmp_path, ROTATION.replace("LAST", "3"))
    done = place.run("rotate-now.sh", PROJECT="orders", AWS_REGION="r", ROTATE_POLL="0")
    assert done.returncode == 0, done.stderr
    lines = [line.split(" s  ")[1] for line in done.stdout.splitlines() if " s  " in line]
    assert lines == [
        "AWSCURRENT=1b4e28ba",
        "AWSCURRENT=1b4e28ba AWSPENDING=6fa459ea",
        "AWSCURRENT=6fa459ea AWSPENDING=6fa459ea AWSPREVIOUS=1b4e28ba",
    ]
    assert not [call for call in place.calls() if "get-secret-value" in call]


def test_rotate_now_says_where_to_look_when_it_does_not_end(tmp_path: Path) -> None:
    place = Place(tmp_path, ROTATION.replace("LAST", "2"))
    done = place.run("rotate-now.sh", PROJECT="orders", ROTATE_POLL="0", ROTATE_LIMIT="1")
    assert done.returncode == 1
    assert "/aws/lambda/orders-rotate-application" in done.stderr
