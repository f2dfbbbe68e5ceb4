"""Secrets in every text that people or their programs write: under the real runtime no function logs, stores, queues or
answers one, at any log level."""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from subjects import HANG, LOAD, RUN, Orders, Shop

SECRET = "pl4nted"


def secret(of):
    return f"{SECRET}-{of}"


# Rules that match secrets, and contain them.
POLICY = f"""
version: 1
never: [{{ cause: "*{secret("never")}*" }}]
retry:
  automatic:
    - {{ id: by-cause, cause: "*{secret("cause")}*", limit: 2, backoff: {{ interval_seconds: 0, jitter_strategy: NONE }} }}
    - {{ id: by-message, summary: "*{secret("message")}*", limit: 2, backoff: {{ interval_seconds: 0, jitter_strategy: NONE }} }}
    # {secret("comment")}
    - {{ error: "*{secret("unmatched")}*", limit: 1 }}
"""
AFTER = {"after_ms": RUN * 1000}
FAIL = {"fail": {"state": "Load", "error": f"My.{secret('error')}", "cause": f"it said {secret('cause')}"}, **AFTER}
OTHERWISE = {"fail": {"state": "Load", "error": f"My.{secret('error')}", "cause": secret("elsewhere")}, **AFTER}
NEVER = {"fail": {"state": "Load", "error": f"My.{secret('error')}", "cause": secret("never")}, **AFTER}
INTO_A_FAIL_STATE = {"fail": {"state": "GiveUp"}, **AFTER}
SUCCEED = {"succeed": {"output": {"is": secret("output")}}, **AFTER}
BREAK = {
    "fail": {
        "code": secret("code"),
        "message": secret("message"),
        "summary": secret("summary"),
        "external_execution_id": f"build:{secret('external-id')}",
        "external_execution_url": f"https://example.com/{secret('url')}",
    },
    **AFTER,
}
DEFINITION = {
    "Comment": secret("definition-comment"),
    "StartAt": "Load",
    "States": {
        "Load": {**LOAD, "End": False, "Next": "GiveUp", "Parameters": {"token": secret("parameters")}},
        "GiveUp": {"Type": "Fail", "Error": f"My.{secret('fail-state-error')}", "Cause": f"{secret('fail-state')} {secret('cause')}"},
    },
}
CALLS = {
    "DescribeExecution": "states",
    "DescribeStateMachineForExecution": "states",
    "GetExecutionHistory": "states",
    "ListExecutions": "states",
    "ListStateMachines": "states",
    "RedriveExecution": "states",
    "GetPipeline": "codepipeline",
    "GetPipelineExecution": "codepipeline",
    "GetPipelineState": "codepipeline",
    "ListActionExecutions": "codepipeline",
    "ListPipelines": "codepipeline",
    "RetryStageExecution": "codepipeline",
}
REFUSALS = ["AccessDeniedException", "ThrottlingException", "Unheard.Of"]


class Recorder:
    """All output of the functions, and everything that they stored."""

    def __init__(self, account):
        self.account, self.answers, self.done = account, [], Counter()
        self.already = len(account.moto.requests())

    def function(self, name, policy=POLICY, **environment):
        # The most verbose level includes all others.
        levels = {"AWS_LAMBDA_LOG_LEVEL": "TRACE", "RUST_LOG": "trace", "RUST_BACKTRACE": "full"}
        return self.account.function(name, policy, **levels, **environment)

    def invoke(self, function, payload):
        answer = function.invoke(payload)
        self.answers.append(answer)
        self.done[answer.get("outcome") or answer.get("errorType")] += 1
        return answer

    def everything(self):
        """Texts by their places. The server's record of requests holds everything that a function wrote."""
        account = self.account
        asked = account.moto.requests()[self.already :]
        items = account.dynamodb.scan(TableName=account.table)["Items"]
        messages = account.sqs.receive_message(QueueUrl=account.queue, MaxNumberOfMessages=10).get("Messages", [])
        logs = {f"log of {name} {number}": "".join(it.output) for number, (name, it) in enumerate(account.functions)}
        found = {"requests": asked, "ledger": items, "queue": messages, "answers": self.answers}
        return {**logs, **{where: json.dumps(what) for where, what in found.items()}}

    def holds_no_secret(self):
        for where, text in self.everything().items():
            place = text.find(SECRET)
            assert place < 0, f"{where}: …{text[max(0, place - 300) : place + 100]}…"
            assert '"level":"DEBUG"' in text or not where.startswith("log"), "all that it can say was looked at"


def with_secrets(event):
    """An event with a secret in each text that is neither a name nor a word of AWS."""
    planted = {key: secret(f"detail-{key}") for key in ("output", "name", "comment", "stop-execution-comments")}
    detail = {**event["detail"], **planted, "input": json.dumps({"token": secret("input")})}
    return {**event, "id": secret("event-id"), "version": secret("version"), secret("key"): secret("value"), "detail": detail}


@pytest.fixture
def recorder(account):
    return Recorder(account)


def executions(recorder, definition=DEFINITION):
    recorder.account.server.wind(2 * RUN)
    orders = Orders(recorder.account.server, definition)

    def start(*outcomes):
        given = {"outcomes": outcomes, "token": secret("input")}
        return orders.client.start_execution(stateMachineArn=orders.machine, input=json.dumps(given))["executionArn"]

    return orders, start


def announced(recorder, status="FAILED"):
    """Events about executions or the stage Build, the latest last."""
    kinds = ("Step Functions Execution Status Change", "CodePipeline Stage Execution State Change")
    events = [one for one in recorder.account.server.events() if one["detail-type"] in kinds]
    return [
        with_secrets(one)
        for one in events
        if one["detail"].get("status", one["detail"].get("state")) == status and one["detail"].get("stage", "Build") == "Build"
    ]


def test_no_outcome_reveals_secrets_of_an_execution(recorder):
    _, start = executions(recorder)
    for outcomes in ([FAIL, SUCCEED], [FAIL, FAIL, FAIL], [OTHERWISE], [NEVER], [INTO_A_FAIL_STATE]):
        start(*outcomes)
    function = recorder.function("stepfunctions")
    for _ in range(4):
        recorder.account.server.wind(RUN)
        for status in ("FAILED", "SUCCEEDED"):
            for event in announced(recorder, status):
                recorder.invoke(function, event)
    malformed = {**event, "detail": {**event["detail"], "executionArn": secret("arn")}}
    recorder.invoke(function, malformed)
    recorder.invoke(function, json.dumps(malformed).encode()[:-40])
    assert set(recorder.done) == {"retried", "gave_up", "recovered", "duplicate", "stale", "ignored"}, recorder.done
    recorder.holds_no_secret()


def test_no_outcome_reveals_secrets_of_a_stage(recorder):
    shop = Shop(recorder.account.server)
    shop.start(Compile=[BREAK])
    function = recorder.function("codepipeline")
    for _ in range(5):
        recorder.account.server.wind(RUN)
        for event in announced(recorder)[-1:]:
            recorder.invoke(function, event)
    malformed = {**event, "detail": {**event["detail"], "stage": secret("stage") + "\n"}}
    recorder.invoke(function, malformed)
    assert set(recorder.done) == {"retried", "gave_up", "duplicate", "ignored"}, recorder.done
    recorder.holds_no_secret()


def test_reason_of_a_stop_is_not_revealed(recorder):
    shop = Shop(recorder.account.server)
    execution = shop.start(Compile=[BREAK, HANG])
    for _ in range(2):
        recorder.account.server.wind(RUN)
    shop.client.disable_stage_transition(
        pipelineName="shop", stageName="Build", transitionType="Inbound", reason=secret("transition")
    )
    function = recorder.function("codepipeline")
    recorder.invoke(function, announced(recorder)[-1])
    shop.client.stop_pipeline_execution(
        pipelineName="shop", pipelineExecutionId=execution, abandon=True, reason=secret("reason")
    )
    recorder.account.server.wind(RUN)
    stage = [one for one in recorder.account.server.events() if one["detail-type"].startswith("CodePipeline")]
    for event in stage:
        recorder.invoke(function, with_secrets(event))
    assert recorder.done["retried"] == 1 and recorder.done["ignored"] > 0, recorder.done
    recorder.holds_no_secret()


@pytest.mark.parametrize("code", REFUSALS)
def test_message_of_a_refusal_is_not_revealed(account, recorder, code):
    refused = {"code": code, "message": secret("refusal"), "status": 400}
    _, start = executions(recorder)
    start(FAIL)
    start(INTO_A_FAIL_STATE)
    Shop(account.server).start(Compile=[BREAK])
    account.server.choose(state_shows_execution_type=False)
    for _ in range(2):
        account.server.wind(RUN)
    for operation, service in CALLS.items():
        account.server.play(service, operation, {"refuse": refused})
    functions = {"aws.states": "stepfunctions", "aws.codepipeline": "codepipeline"}
    functions = {source: recorder.function(name, AWS_MAX_ATTEMPTS="1") for source, name in functions.items()}
    sweep = recorder.function("sweep", AWS_MAX_ATTEMPTS="1", REDRIVE_SINCE="2020-01-01T00:00:00Z")
    # Each round refuses a later call first, until none is refused.
    for _ in range(5):
        recorder.invoke(sweep, {})
    for event in announced(recorder) * 2:
        recorder.invoke(functions[event["source"]], event)
    assert set(CALLS) <= set(account.calls()), set(CALLS) - set(account.calls())
    recorder.holds_no_secret()


class Refusing:
    """An endpoint that refuses every call with a message."""

    def __enter__(self):
        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                words = {"__type": "com.amazonaws#AccessDeniedException", "message": secret("refusal"), "Message": secret("refusal")}
                body = json.dumps({**words, "Item": {"cause": {"S": secret("item")}}}).encode()
                self.send_response(400)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("x-amzn-RequestId", "r")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_message_of_a_refusing_ledger_or_queue_is_not_revealed(recorder):
    _, start = executions(recorder)
    start(FAIL)
    recorder.account.server.wind(RUN)
    (event,) = announced(recorder)
    later = POLICY.replace("interval_seconds: 0", "interval_seconds: 1")
    with Refusing() as url:
        ledger, queue = {"AWS_ENDPOINT_URL_DYNAMODB": url}, {"AWS_ENDPOINT_URL_SQS": url}
        recorder.invoke(recorder.function("stepfunctions", later, **ledger), event)
        recorder.invoke(recorder.function("sweep", later, **ledger), {})
        recorder.invoke(recorder.function("stepfunctions", later, **queue), event)
        arn = event["detail"]["executionArn"]
        recorder.account.set(arn, next_check_at=0)
        recorder.invoke(recorder.function("sweep", later, **queue), {})
        message = {"messageId": "m", "body": json.dumps({"subject": {"execution": {"arn": arn}}, "failure_number": 1})}
        recorder.invoke(recorder.function("due", later, **ledger), {"Records": [message]})
    assert recorder.done["AccessDenied"] == 3, recorder.done
    recorder.holds_no_secret()


def test_sweep_and_due_reveal_no_secrets(recorder):
    _, start = executions(recorder)
    start(FAIL, FAIL, SUCCEED)
    Shop(recorder.account.server).start(Compile=[BREAK, BREAK])
    for _ in range(2):
        recorder.account.server.wind(RUN)
    later = POLICY.replace("interval_seconds: 0", "interval_seconds: 1")
    sweep = recorder.function("sweep", later, REDRIVE_SINCE="2020-01-01T00:00:00Z")
    assert recorder.invoke(sweep, {})["discovery"]["outcomes"] == {"queued": 2}
    due = recorder.function("due", later)
    time.sleep(1.5)
    messages = [one for _ in range(3) for one in recorder.account.messages(seconds=0)]
    poison = {
        "messageId": "poison",
        "body": json.dumps({"cause": secret("body")}),
        "messageAttributes": {secret("name"): {"dataType": "String", "stringValue": secret("attribute")}},
    }
    answer = recorder.invoke(due, {"Records": [*messages, poison]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "poison"}]}
    recorder.invoke(due, {"Records": secret("batch")})
    recorder.invoke(sweep, {"detail": secret("tick")})
    assert [line.get("outcome") for line in due.wide(4)] == ["retried", "retried", None, None]
    recorder.holds_no_secret()
