"""`redrive serve` driven by boto3, an SDK that knows AWS and nothing of redrive.

    cargo build
    pip install -r tests/serve/requirements.txt
    REDRIVE_BIN=target/debug/redrive pytest tests/serve

Each test has a server of its own: its own state, clock and faults. Runs last a minute by the server's clock,
and tests wind it; so nothing depends on how fast the machine is, and what has not been wound for is still RUNNING.
"""

import json
import queue
import re
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from emulator import ACCOUNT, REGION, Server, serving
from subjects import (
    BREAK,
    CAUSE,
    DAY,
    ERROR,
    FAIL,
    HANG,
    INTO_A_FAIL_STATE,
    MESSAGE,
    MINUTE,
    NOWHERE,
    Orders,
    PASS,
    ROLE,
    RUN,
    STAGES,
    SUCCEED,
    Shop,
    TIME_OUT,
    action,
    unwrapped,
)

OTHER_ACCOUNT = "000000000000"


@contextmanager
def refused(client, code, words=""):
    """A refusal that the SDK maps to this name, with this message."""
    kind = ClientError if code in COMMON_ERRORS else getattr(client.exceptions, code)
    with pytest.raises(kind) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code
    assert words in error["Message"]


# No SDK models these.
COMMON_ERRORS = {"ThrottlingException", "UnknownOperationException", "SerializationException"}
THROTTLED = {"refuse": {"code": "ThrottlingException", "message": "Rate exceeded"}}


# Step Functions


@pytest.fixture
def orders(server):
    return Orders(server)


def test_a_run_ends_by_itself(orders):
    execution = orders.start({"succeed": {"output": {"loaded": 3}}, "after_ms": 50})
    # Without any call, the service's own clock ends the run and prints the event.
    printed = [orders.server.next_line() for _ in range(4)][2:]
    assert [json.loads(line)["detail"]["status"] for line in printed] == ["RUNNING", "SUCCEEDED"]
    assert orders.describe(execution)["output"] == '{"loaded":3}'


def test_a_failure_is_described(orders):
    execution = orders.start_and_end(FAIL)
    described = orders.describe(execution)
    assert described["stopDate"] > described["startDate"]
    assert {key: described.get(key) for key in ABOUT_THE_END} == {
        "status": "FAILED",
        "error": ERROR,
        "cause": CAUSE,
        "output": None,
        "redriveStatus": "REDRIVABLE",
        "redriveStatusReason": None,
        "redriveCount": 0,
        "redriveDate": None,
    }


ABOUT_THE_END = [
    "status", "error", "cause", "output", "redriveStatus", "redriveStatusReason", "redriveCount", "redriveDate",
]  # fmt: skip


def test_a_time_out_is_described_without_error_and_cause(orders):
    described = orders.describe(orders.start_and_end(TIME_OUT))
    assert (described["status"], described["redriveStatus"]) == ("TIMED_OUT", "REDRIVABLE")
    assert not {"error", "cause"} & described.keys()


def test_a_redrive_restarts_the_execution(orders):
    execution = orders.start_and_end(FAIL, SUCCEED)
    date = orders.redrive(execution, "first")
    described = orders.describe(execution)
    assert (described["status"], described["redriveCount"], described["redriveDate"]) == ("RUNNING", 1, date)
    assert described["startDate"] < date
    assert not {"stopDate", "error", "cause"} & described.keys()
    assert described["redriveStatusReason"] == "Execution is RUNNING and cannot be redriven"
    orders.server.wind(RUN)
    assert orders.standing(execution) == ("SUCCEEDED", 1)
    assert orders.event_statuses(execution) == [("RUNNING", 0), ("FAILED", 0), ("RUNNING", 1), ("SUCCEEDED", 1)]


def test_a_replayed_token_answers_the_old_date_and_restarts_nothing(orders):
    execution = orders.start_and_end(FAIL, FAIL, SUCCEED)
    first = orders.redrive(execution, "first")
    orders.server.wind(1)
    assert orders.redrive(execution, "first") == first
    assert orders.standing(execution) == ("RUNNING", 1)

    orders.server.wind(RUN)
    ended = orders.describe(execution)
    history = orders.history(execution)
    assert (ended["status"], ended["redriveDate"]) == ("FAILED", first)
    assert orders.redrive(execution, "first") == first
    assert orders.describe(execution) == ended
    assert orders.history(execution) == history

    second = orders.redrive(execution, "second")
    assert second > first
    assert orders.standing(execution) == ("RUNNING", 2)
    assert orders.redrive(execution, "first") == first

    orders.server.wind(RUN)
    assert orders.redrive(execution, "second") == second
    assert orders.standing(execution) == ("SUCCEEDED", 2)
    assert orders.event_statuses(execution)[2:] == [("RUNNING", 1), ("FAILED", 1), ("RUNNING", 2), ("SUCCEEDED", 2)]


def test_a_refused_token_is_not_consumed(orders):
    execution = orders.start(FAIL, SUCCEED)
    with refused(orders.client, "ExecutionNotRedrivable"):
        orders.redrive(execution, "early")
    orders.server.wind(RUN)
    assert orders.redrive(execution, "early") == orders.describe(execution)["redriveDate"]
    assert orders.standing(execution) == ("RUNNING", 1)


def test_a_token_is_forgotten_after_15_minutes(orders):
    execution = orders.start_and_end(FAIL)
    first = orders.redrive(execution, "first")
    orders.server.wind(15 * MINUTE - 10)
    assert orders.redrive(execution, "first") == first
    assert orders.standing(execution) == ("FAILED", 1)
    orders.server.wind(11)
    assert orders.redrive(execution, "first") > first
    assert orders.standing(execution) == ("RUNNING", 2)


def still_running(orders):
    return orders.start(HANG)


def succeeded(orders):
    return orders.start_and_end(SUCCEED)


def failed_more_than_14_days_ago(orders):
    execution = orders.start_and_end(FAIL)
    orders.server.wind(14 * DAY - 10)
    assert orders.describe(execution)["redriveStatus"] == "REDRIVABLE"
    orders.server.wind(11)
    return execution


def open_for_more_than_a_year(orders):
    execution = orders.start(HANG)
    orders.server.wind(366 * DAY)
    orders.client.stop_execution(executionArn=execution)
    return execution


def of_a_deleted_machine(orders):
    execution = orders.start_and_end(FAIL)
    orders.client.delete_state_machine(stateMachineArn=orders.machine)
    return execution


@pytest.mark.parametrize(
    ("ready", "reason"),
    [
        (still_running, "Execution is RUNNING and cannot be redriven"),
        (succeeded, "Execution is SUCCEEDED and cannot be redriven"),
        (failed_more_than_14_days_ago, "Execution redrivable period exceeded"),
        (open_for_more_than_a_year, "Execution has exceeded the max execution time"),
        (of_a_deleted_machine, "State machine is in DELETING status"),
    ],
)
def test_refused_redrive_has_the_documented_reason(orders, ready, reason):
    execution = ready(orders)
    before = orders.describe(execution)
    assert (before["redriveStatus"], before["redriveStatusReason"]) == ("NOT_REDRIVABLE", reason)
    with refused(orders.client, "ExecutionNotRedrivable", f"Execution {execution} invalid for redrive as: {reason}"):
        orders.redrive(execution, "first")
    assert orders.describe(execution) == before


def test_a_redriven_fail_state_fails_again_at_once(server):
    orders = Orders(server, INTO_A_FAIL_STATE)
    execution = orders.start({"fail": {"state": "GiveUp"}, "after_ms": RUN * 1000}, SUCCEED)
    server.wind(RUN)
    before = orders.history(execution)
    assert [event["type"] for event in before[-2:]] == ["FailStateEntered", "ExecutionFailed"]

    date = orders.redrive(execution, "first")
    described = orders.describe(execution)
    assert (described["status"], described["redriveCount"], described["redriveDate"]) == ("FAILED", 1, date)
    assert (described["error"], described["cause"]) == ("Orders.Rejected", "the order is void")
    after = orders.history(execution)
    assert after[: len(before)] == before
    redriven, failed = after[len(before) :]
    assert (redriven["type"], redriven["previousEventId"]) == ("ExecutionRedriven", before[-1]["id"])
    assert redriven["executionRedrivenEventDetails"] == {"redriveCount": 1}
    assert (failed["type"], failed["previousEventId"]) == ("ExecutionFailed", redriven["id"])
    assert failed["executionFailedEventDetails"] == {"error": "Orders.Rejected", "cause": "the order is void"}


def test_a_redriven_task_is_scheduled_again_and_not_entered_again(orders):
    execution = orders.start_and_end(FAIL, SUCCEED)
    before = orders.history(execution)
    orders.redrive(execution, "first")
    appended = orders.history(execution)[len(before) :]
    assert [event["type"] for event in appended] == [
        "ExecutionRedriven",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
    ]
    entered = next(event["id"] for event in before if event["type"] == "TaskStateEntered")
    assert appended[1]["previousEventId"] == entered


def test_the_history_is_read_backwards_page_by_page(orders):
    execution = orders.start_and_end(FAIL)
    forwards = orders.history(execution)
    assert [event["id"] for event in forwards] == list(range(1, len(forwards) + 1))
    assert (forwards[0]["type"], forwards[-1]["type"]) == ("ExecutionStarted", "ExecutionFailed")

    backwards, page, sizes = [], {}, []
    while True:
        answer = orders.client.get_execution_history(
            executionArn=execution, reverseOrder=True, maxResults=2, includeExecutionData=False, **page
        )
        backwards += answer["events"]
        sizes.append(len(answer["events"]))
        if "nextToken" not in answer:
            break
        page = {"nextToken": answer["nextToken"]}
    assert [event["id"] for event in backwards] == [event["id"] for event in reversed(forwards)]
    assert (max(sizes), len(sizes)) == (2, (len(forwards) + 1) // 2)
    # Without execution data inputs go; error and cause stay.
    assert backwards[0]["executionFailedEventDetails"] == {"error": ERROR, "cause": CAUSE}
    assert "input" in forwards[0]["executionStartedEventDetails"]
    assert "input" not in backwards[-1]["executionStartedEventDetails"]

    with refused(orders.client, "InvalidToken"):
        orders.history(execution, nextToken="nonsense")


def test_a_stopped_execution_is_aborted_and_redrivable(orders):
    execution = orders.start(HANG, SUCCEED)
    stopped = orders.client.stop_execution(executionArn=execution, error="Operator", cause="by hand")
    described = orders.describe(execution)
    assert (described["status"], described["redriveStatus"]) == ("ABORTED", "REDRIVABLE")
    assert (described["error"], described["cause"]) == ("Operator", "by hand")
    assert described["stopDate"] == stopped["stopDate"]
    orders.redrive(execution, "first")
    assert orders.standing(execution) == ("RUNNING", 1)


def test_executions_are_listed_by_status(orders):
    running = orders.start(HANG)
    failed = orders.start(FAIL)
    aborted = orders.start(HANG)
    succeeded = orders.start(SUCCEED)
    timed_out = orders.start(TIME_OUT)
    orders.client.stop_execution(executionArn=aborted)
    orders.server.wind(RUN)
    redriven = orders.start_and_end(FAIL, FAIL)
    orders.redrive(redriven, "first")
    orders.server.wind(RUN)

    def listed(**options):
        options["stateMachineArn"] = orders.machine
        return orders.client.list_executions(**options)["executions"]

    of_status = {
        "RUNNING": [running],
        "FAILED": [redriven, failed],
        "ABORTED": [aborted],
        "SUCCEEDED": [succeeded],
        "TIMED_OUT": [timed_out],
    }
    for status, expected in of_status.items():
        items = listed(statusFilter=status)
        assert [item["executionArn"] for item in items] == expected
        assert {item["status"] for item in items} == {status}
    assert [item["redriveCount"] for item in listed(statusFilter="FAILED")] == [1, 0]

    paged = orders.client.get_paginator("list_executions").paginate(
        stateMachineArn=orders.machine, PaginationConfig={"PageSize": 4}
    )
    arns = [[item["executionArn"] for item in page["executions"]] for page in paged]
    assert arns == [[redriven, timed_out, succeeded, aborted], [failed, running]]


def test_an_execution_keeps_the_definition_it_started_with(orders):
    execution = orders.start(HANG)
    orders.client.update_state_machine(stateMachineArn=orders.machine, definition=json.dumps(INTO_A_FAIL_STATE))
    pinned = orders.client.describe_state_machine_for_execution(executionArn=execution)
    assert (pinned["stateMachineArn"], pinned["name"], pinned["roleArn"]) == (orders.machine, "orders", ROLE)
    assert pinned["definition"] == orders.definition
    now = orders.client.describe_state_machine(stateMachineArn=orders.machine)
    assert now["definition"] == json.dumps(INTO_A_FAIL_STATE)


def test_an_injected_throttle_refuses_one_redrive(orders):
    execution = orders.start_and_end(FAIL, SUCCEED)
    orders.server.play("states", "RedriveExecution", THROTTLED)
    with refused(orders.client, "ThrottlingException", "Rate exceeded"):
        orders.redrive(execution, "first")
    assert orders.standing(execution) == ("FAILED", 0)
    orders.redrive(execution, "first")
    assert orders.standing(execution) == ("RUNNING", 1)


def test_a_lost_answer_redrove_once_and_its_token_can_be_repeated(orders):
    execution = orders.start_and_end(FAIL, SUCCEED)
    orders.server.play("states", "RedriveExecution", "lose_answer")
    with pytest.raises(ConnectionClosedError):
        orders.redrive(execution, "first")
    described = orders.describe(execution)
    assert (described["status"], described["redriveCount"]) == ("RUNNING", 1)
    orders.server.wind(1)
    assert orders.redrive(execution, "first") == described["redriveDate"]
    assert [event["type"] for event in orders.history(execution)].count("ExecutionRedriven") == 1
    assert orders.server.calls("RedriveExecution") == 2
    orders.server.wind(RUN)
    assert orders.standing(execution) == ("SUCCEEDED", 1)


def test_a_lost_request_redrove_nothing(orders):
    execution = orders.start_and_end(FAIL, SUCCEED)
    orders.server.play("states", "RedriveExecution", "lose_request")
    with pytest.raises(ConnectionClosedError):
        orders.redrive(execution, "first")
    assert orders.standing(execution) == ("FAILED", 0)


@pytest.mark.parametrize("fault", [THROTTLED, "lose_request", "lose_answer"], ids=["throttled", "request", "answer"])
def test_retry_of_the_sdk_redrives_once(server, fault):
    orders = Orders(server, attempts=2)
    execution = orders.start_and_end(FAIL, SUCCEED)
    server.play("states", "RedriveExecution", fault)
    # The SDK generates a token, and repeats it.
    answer = orders.client.redrive_execution(executionArn=execution)
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    assert server.calls("RedriveExecution") == 2
    described = orders.describe(execution)
    assert (described["redriveCount"], described["redriveDate"]) == (1, answer["redriveDate"])


def test_events_are_those_of_eventbridge(orders):
    execution = orders.start_and_end(FAIL, SUCCEED)
    orders.redrive(execution, "first")
    orders.server.wind(RUN)
    events = orders.server.events()
    described = orders.describe(execution)
    start = milliseconds(described["startDate"])
    redriven = milliseconds(described["redriveDate"])

    for event in events:
        assert event.keys() == ENVELOPE
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", event["id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["time"])
        assert {key: event[key] for key in ("version", "source", "account", "region", "resources")} == {
            "version": "0",
            "source": "aws.states",
            "account": ACCOUNT,
            "region": REGION,
            "resources": [execution],
        }
        assert event["detail-type"] == "Step Functions Execution Status Change"
    assert len({event["id"] for event in events}) == 4

    always = {
        "executionArn": execution,
        "stateMachineArn": orders.machine,
        "name": execution.rsplit(":", 1)[1],
        "startDate": start,
        "input": json.dumps({"outcomes": [FAIL, SUCCEED]}),
        "inputDetails": {"included": True},
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
    }
    running = {
        "status": "RUNNING",
        "stopDate": None,
        "output": None,
        "outputDetails": None,
        "error": None,
        "cause": None,
        "redriveCount": 0,
        "redriveDate": None,
        "redriveStatus": "NOT_REDRIVABLE",
        "redriveStatusReason": "Execution is RUNNING and cannot be redriven",
    }
    failed = {
        "status": "FAILED",
        "stopDate": start + RUN * 1000,
        "error": ERROR,
        "cause": CAUSE,
        "redriveStatus": "REDRIVABLE",
        "redriveStatusReason": None,
    }
    again = {"redriveCount": 1, "redriveDate": redriven}
    succeeded = {
        "status": "SUCCEEDED",
        "stopDate": milliseconds(described["stopDate"]),
        "output": '{"loaded":3}',
        "outputDetails": {"included": True},
        "redriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
    }
    assert [event["detail"] for event in events] == [
        {**always, **running},
        {**always, **running, **failed},
        {**always, **running, **again},
        {**always, **running, **again, **succeeded},
    ]
    assert orders.server.events(after=3) == events[3:]


ENVELOPE = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}


def milliseconds(date):
    return round(date.timestamp() * 1000)


# CodePipeline


@pytest.fixture
def shop(server):
    return Shop(server)


def test_a_failed_stage_shows_in_the_pipelines_state(shop):
    execution = shop.start_and_break()
    assert shop.execution_status(execution) == "Failed"
    state = shop.client.get_pipeline_state(name="shop")
    assert (state["pipelineName"], state["pipelineVersion"]) == ("shop", 1)
    source, build, deploy = state["stageStates"]
    assert source["latestExecution"]["status"] == "Succeeded"
    assert build["latestExecution"] == {"pipelineExecutionId": execution, "status": "Failed", "type": "STANDARD"}
    assert "retryStageMetadata" not in build
    assert "latestExecution" not in deploy

    runs = {it["actionName"]: it["latestExecution"] for it in build["actionStates"]}
    assert runs["Check"]["status"] == "Succeeded"
    assert "errorDetails" not in runs["Check"]
    assert runs["Compile"]["status"] == "Failed"
    assert runs["Compile"]["errorDetails"] == {"code": "JobFailed", "message": MESSAGE}
    # Only errorDetails has CodeBuild's text.
    assert "summary" not in runs["Compile"]


def test_action_executions_are_listed_by_execution(shop):
    broken = shop.start_and_break()
    other = shop.start()
    shop.server.wind(RUN)
    rows = shop.rows(broken)
    assert {row["pipelineExecutionId"] for row in rows} == {broken}
    assert sorted((row["stageName"], row["actionName"], row["status"]) for row in rows) == [
        ("Build", "Check", "Succeeded"),
        ("Build", "Compile", "Failed"),
        ("Source", "Fetch", "Succeeded"),
    ]
    failed = next(row for row in rows if row["status"] == "Failed")
    assert failed["output"]["executionResult"]["errorDetails"] == {"code": "JobFailed", "message": MESSAGE}
    assert failed["input"]["actionTypeId"] == STAGES[1]["actions"][0]["actionTypeId"]
    assert sorted((row["actionName"], row["status"]) for row in shop.rows(other)) == [
        ("Check", "InProgress"),
        ("Compile", "InProgress"),
        ("Fetch", "Succeeded"),
    ]
    everything = shop.client.list_action_executions(pipelineName="shop")["actionExecutionDetails"]
    assert len(everything) == 6
    with refused(shop.client, "PipelineExecutionNotFoundException"):
        shop.rows(NOWHERE)


@pytest.mark.parametrize(
    ("mode", "run_again"),
    [("FAILED_ACTIONS", {"Compile"}), ("ALL_ACTIONS", {"Compile", "Check"})],
)
def test_a_retry_runs_the_stage_again_in_the_same_execution(shop, mode, run_again):
    execution = shop.start_and_break(PASS)
    before = shop.latest_runs()
    assert shop.retry(execution, mode) == execution
    stage = shop.stage()
    assert stage["latestExecution"] == {"pipelineExecutionId": execution, "status": "InProgress", "type": "STANDARD"}
    assert stage["retryStageMetadata"] == {
        "manualStageRetryAttempt": 1,
        "latestRetryTrigger": "ManualStageRetry",
    }
    after = shop.latest_runs()
    assert {
        name for name in after if after[name]["actionExecutionId"] != before[name]["actionExecutionId"]
    } == run_again
    assert {after[name]["status"] for name in run_again} == {"InProgress"}
    assert shop.execution_status(execution) == "InProgress"
    # The failed run is still on record beside the new one.
    statuses = [row["status"] for row in shop.rows(execution) if row["actionName"] == "Compile"]
    assert statuses == ["InProgress", "Failed"]


def test_a_second_retry_in_flight_conflicts(shop):
    execution = shop.start_and_break(BREAK, PASS)
    shop.retry(execution)
    before = shop.stage()
    for mode in ("FAILED_ACTIONS", "ALL_ACTIONS"):
        with refused(shop.client, "ConflictException"):
            shop.retry(execution, mode)
    assert shop.stage() == before
    # After another failure it can be retried again.
    shop.server.wind(RUN)
    assert shop.status() == "Failed"
    shop.retry(execution)
    assert shop.stage()["retryStageMetadata"]["manualStageRetryAttempt"] == 2


def test_a_succeeded_stage_cannot_be_retried(shop):
    execution = shop.start_and_break()
    for mode in ("FAILED_ACTIONS", "ALL_ACTIONS"):
        with refused(shop.client, "StageNotRetryableException"):
            shop.retry(execution, mode, stage="Source")
    assert shop.status("Source") == "Succeeded"


def test_a_stage_cannot_be_retried_after_the_structure_changed(shop):
    execution = shop.start_and_break()
    changed = [*STAGES, {"name": "Announce", "actions": [action("Tell", "Invoke", "Lambda")]}]
    shop.client.update_pipeline(pipeline={"name": "shop", "roleArn": ROLE, "stages": changed})
    with refused(shop.client, "StageNotRetryableException"):
        shop.retry(execution)


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ({"pipeline": "shoe"}, "PipelineNotFoundException"),
        ({"stage": "Bild"}, "StageNotFoundException"),
        ({"mode": "SOME_ACTIONS"}, "ValidationException"),
    ],
)
def test_retry_of_an_unknown_target_is_refused(shop, where, code):
    execution = shop.start_and_break()
    with refused(shop.client, code):
        shop.retry(execution, **where)
    assert shop.status() == "Failed"


def test_stage_belongs_to_the_latest_execution(shop):
    earlier = shop.start_and_break()
    later = shop.start(Compile=[BREAK])
    shop.server.wind(RUN)
    assert shop.stage()["latestExecution"]["pipelineExecutionId"] == later
    with refused(shop.client, "NotLatestPipelineExecutionException"):
        shop.retry(earlier)
    shop.server.wind(RUN)
    with refused(shop.client, "NotLatestPipelineExecutionException"):
        shop.retry(earlier)
    assert shop.retry(later) == later


def test_successful_retry_continues_to_the_end(shop):
    execution = shop.start_and_break(PASS)
    shop.retry(execution)
    shop.server.wind(RUN)
    assert (shop.status("Build"), shop.status("Deploy")) == ("Succeeded", "InProgress")
    shop.server.wind(RUN)
    assert shop.status("Deploy") == "Succeeded"
    assert shop.execution_status(execution) == "Succeeded"

    emitted = [
        (event["detail"].get("stage"), event["detail"]["state"])
        for event in shop.server.events()
        if event["detail"]["execution-id"] == execution and "action" not in event["detail"]
    ]
    assert emitted == [
        (None, "STARTED"),
        ("Source", "STARTED"),
        ("Source", "SUCCEEDED"),
        ("Build", "STARTED"),
        ("Build", "FAILED"),
        (None, "FAILED"),
        (None, "RESUMED"),
        ("Build", "RESUMED"),
        ("Build", "SUCCEEDED"),
        ("Deploy", "STARTED"),
        ("Deploy", "SUCCEEDED"),
        (None, "SUCCEEDED"),
    ]


def test_an_injected_throttle_refuses_one_retry(shop):
    execution = shop.start_and_break(PASS)
    shop.server.play("codepipeline", "RetryStageExecution", THROTTLED)
    with refused(shop.client, "ThrottlingException", "Rate exceeded"):
        shop.retry(execution)
    assert shop.status() == "Failed"
    shop.retry(execution)
    assert shop.status() == "InProgress"


def test_repeated_retry_after_a_lost_answer_conflicts(shop):
    execution = shop.start_and_break(PASS)
    shop.server.play("codepipeline", "RetryStageExecution", "lose_answer")
    with pytest.raises(ConnectionClosedError):
        shop.retry(execution)
    # There is no token: a repeated call conflicts with the first.
    with refused(shop.client, "ConflictException"):
        shop.retry(execution)
    assert shop.stage()["retryStageMetadata"]["manualStageRetryAttempt"] == 1


def test_numbers_in_events_are_floats(shop):
    execution = shop.start_and_break()
    shop.retry(execution)
    _, raw = shop.server.send("GET", "/_redrive/events")
    events = json.loads(raw)
    assert raw.count('"version":1.0,') + raw.count('"version":1.0}') == len(events)
    assert '"pipeline-execution-attempt":1.0' in raw
    assert '"pipeline-execution-attempt":2.0' in raw
    # The version of an action's type is a string, as is that of the envelope.
    actions = [event["detail"] for event in events if "action" in event["detail"]]
    assert {detail["type"]["version"] for detail in actions} == {"1"}
    assert {event["version"] for event in events} == {"0"}

    for event in events:
        assert event.keys() == ENVELOPE
        assert (event["source"], event["account"], event["region"]) == ("aws.codepipeline", ACCOUNT, REGION)
        assert event["resources"] == [f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:shop"]
        assert event["detail"]["pipeline"] == "shop"
        level = "Action" if "action" in event["detail"] else "Stage" if "stage" in event["detail"] else "Pipeline"
        assert event["detail-type"] == f"CodePipeline {level} Execution State Change"
    failed = next(detail for detail in actions if detail["state"] == "FAILED")
    assert failed["execution-result"]["error-code"] == "JobFailed"
    assert failed["execution-result"]["external-execution-summary"] == MESSAGE


# The server


def test_accounts_and_regions_are_separate(server):
    places = {
        (REGION, ACCOUNT): f"arn:aws:states:{REGION}:{ACCOUNT}:",
        ("us-east-1", ACCOUNT): f"arn:aws:states:us-east-1:{ACCOUNT}:",
        (REGION, OTHER_ACCOUNT): f"arn:aws:states:{REGION}:{OTHER_ACCOUNT}:",
        ("cn-north-1", ACCOUNT): f"arn:aws-cn:states:cn-north-1:{ACCOUNT}:",
    }
    for (region, key), prefix in places.items():
        orders = Orders(server, region=region, key=key)
        assert orders.machine == f"{prefix}stateMachine:orders"
        assert orders.start(HANG, name="one") == f"{prefix}execution:orders:one"
    for (region, key), prefix in places.items():
        client = server.client("stepfunctions", region=region, key=key)
        machines = client.list_state_machines()["stateMachines"]
        assert [machine["stateMachineArn"] for machine in machines] == [f"{prefix}stateMachine:orders"]
    # A key that is no account number belongs to the default account.
    client = server.client("stepfunctions", key="AKIDEXAMPLE")
    assert (
        client.list_state_machines()["stateMachines"][0]["stateMachineArn"]
        == f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:orders"
    )

    here, there = Orders(server), server.client("stepfunctions", region="us-east-1")
    execution = here.start(FAIL)
    with refused(there, "ExecutionDoesNotExist"):
        there.describe_execution(executionArn=execution)
    Shop(server)
    with refused(there := server.client("codepipeline", region="us-east-1"), "PipelineNotFoundException"):
        there.get_pipeline_state(name="shop")


def test_fault_applies_to_its_own_region_only(server):
    here, there = Orders(server), Orders(server, region="us-east-1", key=OTHER_ACCOUNT)
    server.play("states", "DescribeExecution", THROTTLED, region="us-east-1", account=OTHER_ACCOUNT)
    assert here.standing(here.start(HANG)) == ("RUNNING", 0)
    execution = there.start(HANG)
    with refused(there.client, "ThrottlingException"):
        there.describe(execution)
    assert there.standing(execution) == ("RUNNING", 0)


def test_rollback_continues_the_script_of_its_target(server):
    shop = Shop(server)
    rollback = shop.roll_back_and_break()
    assert shop.status() == "Failed"
    shown = shop.client.get_pipeline_execution(pipelineName="shop", pipelineExecutionId=rollback)["pipelineExecution"]
    assert (shown["executionType"], shown["status"]) == ("ROLLBACK", "Failed")


def test_the_state_shows_the_type_of_an_execution_or_hides_it(server):
    here, there = Shop(server), Shop(server, region="us-east-1", key=OTHER_ACCOUNT)
    ordinary = [shop.start_and_break() for shop in (here, there)]

    def types():
        return [shop.stage()["latestExecution"].get("type") for shop in (here, there)]

    assert types() == ["STANDARD", "STANDARD"]
    server.choose(state_shows_execution_type=False)
    assert types() == [None, "STANDARD"]
    hidden = {"codepipeline": {"state_shows_execution_type": False}, "region": "us-east-1", "account": OTHER_ACCOUNT}
    server.own("POST", "options", hidden)
    assert types() == [None, None]
    for shop, execution in zip((here, there), ordinary):
        shown = shop.client.get_pipeline_execution(pipelineName="shop", pipelineExecutionId=execution)
        assert shown["pipelineExecution"]["executionType"] == "STANDARD"
    server.choose(state_shows_execution_type=True)
    assert types() == ["STANDARD", None]


def test_an_operation_that_is_not_emulated_is_refused(server):
    states, pipelines = server.client("stepfunctions"), server.client("codepipeline")
    with refused(states, "UnknownOperationException"):
        states.list_activities()
    with refused(pipelines, "UnknownOperationException"):
        pipelines.list_webhooks()


STATES, PIPELINES = "AWSStepFunctions.", "CodePipeline_20150709."


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        (STATES + "MakeCoffee", "{}", "UnknownOperationException"),
        (PIPELINES + "MakeCoffee", "{}", "UnknownOperationException"),
        ("Coffee.ListStateMachines", "{}", "UnknownOperationException"),
        ("", "{}", "UnknownOperationException"),
        (STATES + "DescribeExecution", "{not JSON", "SerializationException"),
        (PIPELINES + "GetPipelineState", "\xff\xfe", "SerializationException"),
        (STATES + "DescribeExecution", "[" * 100_000, "SerializationException"),
        (STATES + "DescribeExecution", '{"executionArn": 5}', "SerializationException"),
        (STATES + "DescribeExecution", "", "ValidationException"),
        (STATES + "DescribeExecution", "[]", "SerializationException"),
        (PIPELINES + "GetPipelineState", '{"name": 5}', "ValidationException"),
        (STATES + "DescribeExecution", '{"executionArn": "orders"}', "InvalidArn"),
    ],
)
def test_invalid_request_gets_the_error_of_aws(server, target, body, code):
    status, text = server.send("POST", "/", body.encode("latin-1"), X_Amz_Target=target)
    answer = json.loads(text)
    assert status == 400
    assert answer["__type"].rsplit("#")[-1] == code
    assert answer["message"]
    assert server.client("stepfunctions").list_state_machines()["stateMachines"] == []


def test_a_request_of_more_than_a_megabyte_is_refused(orders):
    with refused(orders.client, "SerializationException"):
        orders.start(input=json.dumps("x" * (1024 * 1024)))
    assert orders.client.list_executions(stateMachineArn=orders.machine)["executions"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/", "", 404, "X-Amz-Target"),
        ("GET", "/_redrive/event", "", 404, "GET events"),
        ("POST", "/_redrive/events", "", 404, "GET events"),
        ("POST", "/_redrive/record", "", 404, "GET record"),
        ("POST", "/_redrive/clock", '{"advance_seconds": -1}', 400, "-1"),
        ("POST", "/_redrive/clock", '{"advance_minutes": 1}', 400, "advance_seconds"),
        ("GET", "/_redrive/options", "", 404, "POST options"),
        ("POST", "/_redrive/options", "{}", 400, "codepipeline"),
        ("POST", "/_redrive/options", '{"states": {}}', 400, "expected one of `codepipeline`"),
        ("POST", "/_redrive/options", '{"codepipeline": {}}', 400, "state_shows_execution_type"),
        (
            "POST",
            "/_redrive/options",
            '{"codepipeline": {"shows_type": true}}',
            400,
            "unknown field `shows_type`, expected `state_shows_execution_type`",
        ),
        (
            "POST",
            "/_redrive/options",
            '{"codepipeline": {"state_shows_execution_type": "no"}}',
            400,
            "expected a boolean",
        ),
        (
            "POST",
            "/_redrive/faults",
            '{"service": "lambda", "operation": "Invoke", "fault": "lose_answer"}',
            400,
            "codepipeline",
        ),
        (
            "POST",
            "/_redrive/faults",
            '{"service": "states", "operation": "StartExecution", "fault": "x"}',
            400,
            "lose_request",
        ),
    ],
)
def test_invalid_request_of_the_emulator_names_allowed_values(server, method, path, body, status, words):
    answered, text = server.send(method, path, body)
    assert (answered, words in json.loads(text)["message"]) == (status, True)


def test_20_threads_at_once_are_all_served(server):
    orders = Orders(server, max_pool_connections=20)
    together = threading.Barrier(20)

    def work(_):
        together.wait(timeout=10)
        mine = [orders.start(HANG) for _ in range(5)]
        return [(arn, orders.describe(arn)["status"]) for arn in mine]

    with ThreadPoolExecutor(20) as pool:
        done = [one for some in pool.map(work, range(20)) for one in some]
    assert len({arn for arn, _ in done}) == 100
    assert {status for _, status in done} == {"RUNNING"}
    assert (server.calls("StartExecution"), server.calls("DescribeExecution")) == (100, 100)
    listed = orders.client.list_executions(stateMachineArn=orders.machine, maxResults=1000)["executions"]
    assert {item["executionArn"] for item in listed} == {arn for arn, _ in done}
    assert len(server.events()) == 100


def test_server_listens_on_loopback_only(server, binary):
    socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
    for host in ["127.0.0.2", "::1", *own_addresses()]:
        with pytest.raises(OSError):
            socket.create_connection((host, server.port), timeout=5).close()
    for option in ("--host", "--address", "--bind"):
        asked = subprocess.run([binary, "serve", option, "0.0.0.0"], capture_output=True, text=True, timeout=10)
        assert asked.returncode == 2, asked.stdout
        assert option in asked.stderr


def own_addresses():
    """This machine's address other than loopback, if any. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return []
        return [probe.getsockname()[0]]


def test_port_in_use_is_reported_and_ends_the_server(server, binary):
    second = subprocess.run([binary, "serve", "--port", str(server.port)], capture_output=True, text=True, timeout=10)
    assert second.returncode == 1
    assert f"port {server.port} of 127.0.0.1" in second.stderr
    assert "--port 0" in second.stderr


def test_every_event_is_printed_on_a_line(orders, server):
    Shop(server).start_and_break()
    orders.start_and_end(FAIL)
    events = server.events()
    assert [server.next_line() for _ in range(2)][0].strip().startswith(f"AWS_ENDPOINT_URL={server.url}")
    assert [json.loads(server.next_line()) for _ in events] == events
    assert {event["source"] for event in events} == {"aws.states", "aws.codepipeline"}


def test_no_process_is_left_behind(binary, session):
    class Stumbles(Exception):
        pass

    with pytest.raises(Stumbles), serving(binary, session) as server:
        server.client("stepfunctions").list_state_machines()
        raise Stumbles
    assert server.process.returncode is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5).close()


def test_server_with_unread_output_still_answers(binary, session):
    process = subprocess.Popen([binary, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        lines = queue.Queue()
        lines.put(process.stdout.readline())
        orders = Orders(Server(process, lines, session))
        # Some 200 events are more than a pipe holds.
        for _ in range(200):
            orders.start(HANG)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_no_two_events_share_an_id(orders, server):
    Shop(server).start_and_break()
    orders.start_and_end(FAIL)
    ids = [event["id"] for event in server.events()]
    assert len(set(ids)) == len(ids)


def test_events_are_oldest_first_over_all_regions(server):
    slow, quick = Orders(server), Orders(server, region="us-east-1")
    slow.start({"succeed": {}, "after_ms": 50_000})
    quick.start({"succeed": {}, "after_ms": 10_000})
    server.wind(RUN)
    times = [event["time"] for event in server.events()]
    assert times == sorted(times)


def test_every_answer_carries_a_request_id_and_its_protocol(orders, server):
    answered = orders.client.list_state_machines()["ResponseMetadata"]
    assert answered["RequestId"]
    assert answered["HTTPHeaders"]["content-type"] == "application/x-amz-json-1.0"
    answered = server.client("codepipeline").list_pipelines()["ResponseMetadata"]
    assert answered["RequestId"]
    assert answered["HTTPHeaders"]["content-type"] == "application/x-amz-json-1.1"


@pytest.mark.parametrize(
    "fault",
    [
        '{"service":"states","operation":"Redrive","fault":"lose_answer"}',
        '{"service":"codepipeline","operation":"RedriveExecution","fault":"lose_answer"}',
        '{"service":"states","operation":"RedriveExecution","fault":{"refuse":{"code":"x","status":200}}}',
    ],
)
def test_impossible_fault_is_refused(server, fault):
    status, text = server.send("POST", "/_redrive/faults", fault)
    assert status == 400 and json.loads(text)["message"]
