"""The environment of functions without an account: the programs as built, the template's table, moto as DynamoDB and SQS,
and Amazon's own DynamoDB Local.

Fixtures among it, which a conftest.py imports.
"""

import base64
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from emulator import ACCOUNT, REGION, die_with_parent, session  # noqa: F401
from lambda_runtime import free_port, wait_for_port
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]

# The names of the functions in the output of `sam build`.
BUILT = {
    "stepfunctions": "StepFunctionsFunction",
    "codepipeline": "CodePipelineFunction",
    "due": "DueFunction",
    "sweep": "SweepFunction",
}


@pytest.fixture(scope="session")
def binary():
    return program(os.environ.get("REDRIVE_BIN", ROOT / "target/debug/redrive"), "cargo build")


@pytest.fixture(scope="session")
def bootstraps():
    """The four programs: as `sam build` left them in REDRIVE_BUILD, or as `cargo build -p redrive-lambda` did."""
    build = os.environ.get("REDRIVE_BUILD")
    if build:
        return {name: program(Path(build, made, "bootstrap"), "sam build") for name, made in BUILT.items()}
    return {name: program(ROOT / "target/debug" / name, "cargo build -p redrive-lambda") for name in BUILT}


def program(path, command):
    path = Path(path).resolve()
    if not os.access(path, os.X_OK):
        pytest.exit(f"{path} is not there; `{command}` makes it", returncode=2)
    return path


class Moto:
    """DynamoDB and SQS, with the server's own record of requests."""

    def __init__(self, url, recording, session):
        self.url, self.recording, self.session = url, recording, session

    def client(self, service):
        keys = {"aws_access_key_id": "tests", "aws_secret_access_key": "any"}
        return self.session.client(service, region_name=REGION, endpoint_url=self.url, **keys)

    def requests(self):
        """Operation and body of the functions' requests so far. The tests' own requests have another access key."""
        if not self.recording.exists():
            return []
        found = []
        for one in map(json.loads, self.recording.read_text().splitlines()):
            headers = {name.lower(): value for name, value in one["headers"].items()}
            if f"Credential={ACCOUNT}/" in headers.get("authorization", ""):
                body = base64.b64decode(one["body"]) if one["body_encoded"] else one["body"]
                found.append((headers["x-amz-target"].split(".")[-1], json.loads(body)))
        return found

    def calls(self):
        return Counter(operation for operation, _ in self.requests())


@pytest.fixture(scope="session")
def moto(session, tmp_path_factory):  # noqa: F811
    port, home = free_port(), tmp_path_factory.mktemp("moto")
    recording = home / "recording"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env={
            **os.environ,
            "MOTO_ENABLE_RECORDING": "true",
            "MOTO_RECORDER_FILEPATH": str(recording),
            "MOTO_ACCOUNT_ID": ACCOUNT,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )
    try:
        wait_for_port(port, process, seconds=60)
        yield Moto(f"http://127.0.0.1:{port}", recording, session)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def dynamodb_local():
    """The URL of DynamoDB Local in memory, from the cache of the ledger's contract."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    lib = cache / "redrive-ci/dynamodb-local/lib"
    if not lib.is_dir():
        pytest.fail(f"{lib} is not there; `cargo test --workspace --test dynamodb -- --ignored` fetches it")
    port = free_port()
    process = subprocess.Popen(
        ["java", f"-Djava.library.path={lib}", "-cp", f"{lib}/*"]
        + ["software.amazon.dynamodb.services.local.main.ServerRunner"]
        + ["-inMemory", "-disableTelemetry", "-port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )
    try:
        wait_for_port(port, process, seconds=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def ledger_as_deployed():
    """The table's definition in template.yaml, as CreateTable takes it."""
    properties = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]["Ledger"]["Properties"]
    taken = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    return {name: properties[name] for name in taken}


def plain(value):
    """A DynamoDB attribute as a Python value."""
    ((kind, inside),) = value.items()
    return {
        "N": lambda: int(inside),
        "L": lambda: [plain(one) for one in inside],
        "M": lambda: {name: plain(one) for name, one in inside.items()},
    }.get(kind, lambda: inside)()
