"""An account on a desk: `redrive serve`, moto as DynamoDB and SQS, and the bootstraps under the real runtime."""

import base64
import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import boto3
import pytest
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "serve"))

from emulator import ACCOUNT, REGION, die_with_parent, serving  # noqa: E402
from lambda_runtime import free_port, running, wait_for_port  # noqa: E402

# What `sam build` calls the functions.
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
    """The four programs: as `sam build` left them in REDRIVE_BUILD, or as `cargo build -p redrive-aws` did."""
    build = os.environ.get("REDRIVE_BUILD")
    if build:
        return {name: program(Path(build, made, "bootstrap"), "sam build") for name, made in BUILT.items()}
    return {name: program(ROOT / "target/debug" / name, "cargo build -p redrive-aws") for name in BUILT}


def program(path, command):
    path = Path(path).resolve()
    if not os.access(path, os.X_OK):
        pytest.exit(f"{path} is not there; `{command}` makes it", returncode=2)
    return path


@pytest.fixture(scope="session")
def session():
    """A boto3 session that nobody's own AWS settings reach."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield boto3.Session()


class Moto:
    """DynamoDB and SQS, and the record that the server itself keeps of who asked for what."""

    def __init__(self, url, recording, session):
        self.url, self.recording, self.session = url, recording, session

    def client(self, service):
        keys = {"aws_access_key_id": "tests", "aws_secret_access_key": "any"}
        return self.session.client(service, region_name=REGION, endpoint_url=self.url, **keys)

    def requests(self):
        """Operation and body of what the functions asked for so far: the tests' own requests bear another key."""
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
def moto(session, tmp_path_factory):
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


def ledger_as_deployed():
    """The table's definition in template.yaml, as CreateTable takes it."""
    properties = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]["Ledger"]["Properties"]
    taken = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    return {name: properties[name] for name in taken}


class Account:
    """Both services, a table, a queue, and the functions on them."""

    def __init__(self, server, moto, bootstraps, tmp_path, stack):
        self.server, self.moto, self.bootstraps, self.tmp_path, self.stack = server, moto, bootstraps, tmp_path, stack
        self.dynamodb, self.sqs = moto.client("dynamodb"), moto.client("sqs")
        self.table = self.dynamodb.create_table(TableName=tmp_path.name, **ledger_as_deployed())["TableDescription"]["TableName"]
        self.queue = self.sqs.create_queue(QueueName=tmp_path.name[:80])["QueueUrl"]
        self.policies, self.functions = 0, []

    def function(self, name, policy, mode="act", **environment):
        """A function with this policy, running."""
        environment = {**self.environment(policy), "REDRIVE_MODE": mode, **environment}
        function = self.stack.enter_context(running(self.bootstraps[name], **environment))
        self.functions.append((name, function))
        return function

    def environment(self, policy):
        """What a function with this policy finds in its environment."""
        self.policies += 1
        path = self.tmp_path / f"policy-{self.policies}.yaml"
        path.write_text(policy)
        return {
            "REDRIVE_MODE": "act",
            "REDRIVE_LEDGER": self.table,
            "REDRIVE_QUEUE_URL": self.queue,
            "REDRIVE_POLICY": str(path),
            "REDRIVE_ACCOUNT": ACCOUNT,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_ENDPOINT_URL_SFN": self.server.url,
            "AWS_ENDPOINT_URL_CODEPIPELINE": self.server.url,
            "AWS_ENDPOINT_URL": self.moto.url,
        }

    def calls(self):
        """Every call of AWS that was received so far, by the servers' own records."""
        return Counter(self.server.own("GET", "calls")) + self.moto.calls()

    def costs(self, function, payload):
        """An answer, and the calls that it took."""
        before = self.calls()
        answer = function.invoke(payload)
        return answer, dict(self.calls() - before)

    def entry(self, key):
        """What the ledger says of a subject."""
        item = self.dynamodb.get_item(TableName=self.table, Key={"pk": {"S": key}}, ConsistentRead=True).get("Item")
        return item and {name: plain(value) for name, value in item.items()}

    def set(self, key, **attributes):
        """Changes an entry behind everybody's back: how time passes."""
        self.dynamodb.update_item(
            TableName=self.table,
            Key={"pk": {"S": key}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
            ExpressionAttributeNames={f"#{name}": name for name in attributes},
            ExpressionAttributeValues={f":{name}": {"N": str(value)} for name, value in attributes.items()},
        )

    def messages(self, seconds=5):
        """The messages that arrive within so many seconds, as an event source mapping hands them over."""
        answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=seconds)
        return [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.queue.rsplit('/')[-1]}",
                "awsRegion": REGION,
            }
            for message in answer.get("Messages", [])
        ]


def plain(value):
    """An attribute of DynamoDB as a value of Python."""
    ((kind, inside),) = value.items()
    return {
        "N": lambda: int(inside),
        "L": lambda: [plain(one) for one in inside],
        "M": lambda: {name: plain(one) for name, one in inside.items()},
    }.get(kind, lambda: inside)()


@pytest.fixture(scope="session")
def used():
    """What each function called over all tests."""
    return {name: set() for name in BUILT}


@pytest.fixture
def account(binary, bootstraps, session, moto, tmp_path, used):
    with ExitStack() as stack:
        server = stack.enter_context(serving(binary, session))
        account = Account(server, moto, bootstraps, tmp_path, stack)
        yield account
        for name, function in account.functions:
            for line in function.lines():
                used[name].update(line.get("calls", {}))
