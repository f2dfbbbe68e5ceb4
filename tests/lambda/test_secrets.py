"""Secrets in every text that people or their programs write, and the functions that meet them under the real
runtime: none is logged, stored, queued or answered, at any level of the log."""

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


# Rules that match by what they must not tell, and are written with it.
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


class Told:
    """Everything that the functions said and left behind."""

    def __init__(self, account):
        self.account, self.answers, self.done = account, [], Counter()
        self.already = len(account.moto.requests())

    def function(self, name, policy=POLICY, **environment):
        # The coarsest that there is includes all others.
        levels = {"AWS_LAMBDA_LOG_LEVEL": "TRACE", "RUST_LOG": "trace", "RUST_BACKTRACE": "full"}
        return self.account.function(name, policy, **levels, **environment)

    def invoke(self, function, payload):
        answer = function.invoke(payload)
        self.answers.append(answer)
        self.done[answer.get("outcome") or answer.get("errorType")] += 1
        return answer

    def everything(self):
        """Text by where it was found. What a function asked for, the server recorded: all that it ever wrote."""
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
    """An event with one in each text that neither names a thing nor is one of AWS's own words."""
    planted = {key: secret(f"detail-{key}") for key in ("output", "name", "comment", "stop-execution-comments")}
    detail = {**event["detail"], **planted, "input": json.dumps({"token": secret("input")})}
    return {**event, "id": secret("event-id"), "version": secret("version"), secret("key"): secret("value"), "detail": detail}


@pytest.fixture
def told(account):
    return Told(account)


def executions(told, definition=DEFINITION):
    told.account.server.wind(2 * RUN)
    orders = Orders(told.account.server, definition)

    def start(*outcomes):
        given = {"outcomes": outcomes, "token": secret("input")}
        return orders.client.start_execution(stateMachineArn=orders.machine, input=json.dumps(given))["executionArn"]

    return orders, start


def announced(told, status="FAILED"):
    """Events about executions or the stage Build, the latest last."""
    kinds = ("Step Functions Execution Status Change", "CodePipeline Stage Execution State Change")
    events = [one for one in told.account.server.events() if one["detail-type"] in kinds]
    return [
        with_secrets(one)
        for one in events
        if one["detail"].get("status", one["detail"].get("state")) == status and one["detail"].get("stage", "Build") == "Build"
    ]


def test_an_execution_keeps_its_secrets_whatever_becomes_of_it(told):
    _, start = executions(told)
    for outcomes in ([FAIL, SUCCEED], [FAIL, FAIL, FAIL], [OTHERWISE], [NEVER], [INTO_A_FAIL_STATE]):
        start(*outcomes)
    function = told.function("stepfunctions")
    for _ in range(4):
        told.account.server.wind(RUN)
        for status in ("FAILED", "SUCCEEDED"):
            for event in announced(told, status):
                told.invoke(function, event)
    malformed = {**event, "detail": {**event["detail"], "executionArn": secret("arn")}}
    told.invoke(function, malformed)
    told.invoke(function, json.dumps(malformed).encode()[:-40])
    assert set(told.done) == {"retried", "gave_up", "recovered", "duplicate", "stale", "ignored"}, told.done
    told.holds_no_secret()


def test_a_stage_keeps_its_secrets_whatever_becomes_of_it(told):
    shop = Shop(told.account.server)
    shop.start(Compile=[BREAK])
    function = told.function("codepipeline")
    for _ in range(5):
        told.account.server.wind(RUN)
        for event in announced(told)[-1:]:
            told.invoke(function, event)
    malformed = {**event, "detail": {**event["detail"], "stage": secret("stage") + "\n"}}
    told.invoke(function, malformed)
    assert set(told.done) == {"retried", "gave_up", "duplicate", "ignored"}, told.done
    told.holds_no_secret()


def test_a_person_who_stops_says_why_to_nobody_else(told):
    shop = Shop(told.account.server)
    execution = shop.start(Compile=[BREAK, HANG])
    for _ in range(2):
        told.account.server.wind(RUN)
    shop.client.disable_stage_transition(
        pipelineName="shop", stageName="Build", transitionType="Inbound", reason=secret("transition")
    )
    function = told.function("codepipeline")
    told.invoke(function, announced(told)[-1])
    shop.client.stop_pipeline_execution(
        pipelineName="shop", pipelineExecutionId=execution, abandon=True, reason=secret("reason")
    )
    told.account.server.wind(RUN)
    stage = [one for one in told.account.server.events() if one["detail-type"].startswith("CodePipeline")]
    for event in stage:
        told.invoke(function, with_secrets(event))
    assert told.done["retried"] == 1 and told.done["ignored"] > 0, told.done
    told.holds_no_secret()


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_keeps_its_message_to_itself(account, told, code):
    refused = {"code": code, "message": secret("refusal"), "status": 400}
    _, start = executions(told)
    start(FAIL)
    start(INTO_A_FAIL_STATE)
    Shop(account.server).start(Compile=[BREAK])
    account.server.choose(state_shows_execution_type=False)
    for _ in range(2):
        account.server.wind(RUN)
    for operation, service in CALLS.items():
        account.server.play(service, operation, {"refuse": refused})
    functions = {"aws.states": "stepfunctions", "aws.codepipeline": "codepipeline"}
    functions = {source: told.function(name, AWS_MAX_ATTEMPTS="1") for source, name in functions.items()}
    sweep = told.function("sweep", AWS_MAX_ATTEMPTS="1", REDRIVE_SINCE="2020-01-01T00:00:00Z")
    # Each time another call is the first that is refused, until none is.
    for _ in range(5):
        told.invoke(sweep, {})
    for event in announced(told) * 2:
        told.invoke(functions[event["source"]], event)
    assert set(CALLS) <= set(account.calls()), set(CALLS) - set(account.calls())
    told.holds_no_secret()


class Refusing:
    """An endpoint that refuses everything, and says why."""

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


def test_a_ledger_or_a_queue_that_refuses_is_not_quoted(told):
    _, start = executions(told)
    start(FAIL)
    told.account.server.wind(RUN)
    (event,) = announced(told)
    later = POLICY.replace("interval_seconds: 0", "interval_seconds: 1")
    with Refusing() as url:
        ledger, queue = {"AWS_ENDPOINT_URL_DYNAMODB": url}, {"AWS_ENDPOINT_URL_SQS": url}
        told.invoke(told.function("stepfunctions", later, **ledger), event)
        told.invoke(told.function("sweep", later, **ledger), {})
        told.invoke(told.function("stepfunctions", later, **queue), event)
        arn = event["detail"]["executionArn"]
        told.account.set(arn, next_check_at=0)
        told.invoke(told.function("sweep", later, **queue), {})
        message = {"messageId": "m", "body": json.dumps({"subject": {"execution": {"arn": arn}}, "failure_number": 1})}
        told.invoke(told.function("due", later, **ledger), {"Records": [message]})
    assert told.done["AccessDenied"] == 3, told.done
    told.holds_no_secret()


def test_what_is_found_and_what_is_due_keep_their_secrets(told):
    _, start = executions(told)
    start(FAIL, FAIL, SUCCEED)
    Shop(told.account.server).start(Compile=[BREAK, BREAK])
    for _ in range(2):
        told.account.server.wind(RUN)
    later = POLICY.replace("interval_seconds: 0", "interval_seconds: 1")
    sweep = told.function("sweep", later, REDRIVE_SINCE="2020-01-01T00:00:00Z")
    assert told.invoke(sweep, {})["discovery"]["outcomes"] == {"queued": 2}
    due = told.function("due", later)
    time.sleep(1.5)
    messages = [one for _ in range(3) for one in told.account.messages(seconds=0)]
    poison = {
        "messageId": "poison",
        "body": json.dumps({"cause": secret("body")}),
        "messageAttributes": {secret("name"): {"dataType": "String", "stringValue": secret("attribute")}},
    }
    answer = told.invoke(due, {"Records": [*messages, poison]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "poison"}]}
    told.invoke(due, {"Records": secret("batch")})
    told.invoke(sweep, {"detail": secret("tick")})
    assert [line.get("outcome") for line in due.wide(4)] == ["retried", "retried", None, None]
    told.holds_no_secret()
