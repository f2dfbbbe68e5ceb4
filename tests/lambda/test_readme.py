"""The README's commands to try a function, unchanged, from a fresh clone."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]


def lines(tool):
    """The line that starts a function and the line that invokes it."""
    commands = re.findall(r"^\$ (.+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    (at,) = [number for number, command in enumerate(commands) if tool in command and command.endswith(" &")]
    return commands[at].removesuffix(" &"), commands[at + 1]


@pytest.mark.parametrize("tool", ["cargo lambda watch", "aws-lambda-rie"])
def test_the_lines_of_the_readme_work(tool):
    start, invoke = lines(tool)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "REDRIVE_"))}
    started = subprocess.Popen(["bash", "-c", start], cwd=ROOT, env=environment, start_new_session=True)
    try:
        port = 9000 if "watch" in tool else 8080
        answers(port, started)
        said = subprocess.run(["bash", "-c", invoke], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
        record = json.loads(said.stdout)
    finally:
        os.killpg(started.pid, signal.SIGTERM)
        started.wait()
    assert {**record, "at": None} == {**shown(), "at": None}


def shown():
    """The record printed below the commands."""
    return json.loads(re.search(r"^\{.+\}$", (ROOT / "README.md").read_text(), re.MULTILINE)[0])


def test_container_command_of_the_readme_lacks_at_most_the_container():
    built = ROOT / ".aws-sam/build/template.yaml"
    if not built.is_file():
        pytest.skip("NOT RUN: SAM LOCAL INVOKE. `sam build` has not been run here")
    (line,) = re.findall(r"^\$ (.*sam local invoke.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    # An image that exists already suffices.
    environment = {**os.environ, "SAM_SKIP_PULL_IMAGE": "1"}
    said = subprocess.run(["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    if "requires a container runtime" not in said.stderr:
        assert said.returncode == 0, said.stderr
        record = next(json.loads(one) for one in said.stdout.splitlines() if one.startswith("{") and '"function"' not in one)
        assert {**record, "at": None} == {**shown(), "at": None}
        return
    # SAM has read the template, the event and the variables by now. It has not looked for the function in the template
    # yet, nor whether that has the variables, which it leaves out otherwise.
    (settings,) = re.findall(r"echo '(.+?)'", line)
    template = yaml_parse(built.read_text())
    assert template["Resources"][line.split(" sam local invoke ")[1].split()[0]]["Type"] == "AWS::Serverless::Function"
    assert set(json.loads(settings)["Parameters"]) <= set(template["Globals"]["Function"]["Environment"]["Variables"])
    pytest.skip("NOT RUN: SAM LOCAL INVOKE, but for what it reads before it asks for a container engine: there is none")


def answers(port, process):
    """Waits until something answers there: it may have to be compiled first."""
    until = time.monotonic() + 900
    while time.monotonic() < until:
        assert process.poll() is None, f"it ended with {process.returncode}"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"nothing answers on {port}")
