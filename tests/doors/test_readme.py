"""The lines by which the README lets one try a function, as they stand there, from a fresh clone."""

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
    shown = re.search(r"^\{.+\}$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {**record, "at": None} == {**json.loads(shown[0]), "at": None}


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
