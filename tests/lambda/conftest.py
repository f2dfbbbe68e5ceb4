"""A local account: `redrive serve`, moto as DynamoDB and SQS, and the bootstraps under the real runtime."""

import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "serve"))

from fixtures import BUILT, binary, bootstraps, dynamodb_local, ledger_as_deployed, moto, plain, session  # noqa: E402, F401
from emulator import ACCOUNT, REGION, serving  # noqa: E402
from lambda_runtime import running  # noqa: E402


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
        """The environment of a function with this policy."""
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
        """All calls of AWS so far, from the servers' own records."""
        return Counter(self.server.own("GET", "calls")) + self.moto.calls()

    def costs(self, function, payload):
        """The answer, and the calls that were made for it."""
        before = self.calls()
        answer = function.invoke(payload)
        return answer, dict(self.calls() - before)

    def entry(self, key):
        """The entry of a subject."""
        item = self.dynamodb.get_item(TableName=self.table, Key={"pk": {"S": key}}, ConsistentRead=True).get("Item")
        return item and {name: plain(value) for name, value in item.items()}

    def set(self, key, **attributes):
        """Changes an entry directly in the table, for example to let time pass."""
        self.dynamodb.update_item(
            TableName=self.table,
            Key={"pk": {"S": key}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
            ExpressionAttributeNames={f"#{name}": name for name in attributes},
            ExpressionAttributeValues={f":{name}": {"N": str(value)} for name, value in attributes.items()},
        )

    def messages(self, seconds=5):
        """The messages that arrive within `seconds`, as an event source mapping delivers them."""
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


@pytest.fixture(scope="session")
def used():
    """The calls of each function over all tests."""
    return {name: set() for name in BUILT}


@pytest.fixture
def account(binary, bootstraps, session, moto, tmp_path, used):  # noqa: F811
    with ExitStack() as stack:
        server = stack.enter_context(serving(binary, session))
        account = Account(server, moto, bootstraps, tmp_path, stack)
        yield account
        for name, function in account.functions:
            for line in function.lines():
                used[name].update(line.get("calls", {}))
