"""The server's record of calls: the effect of each, regardless of its answer."""

import json

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from emulator import ACCOUNT, REGION
from subjects import FAIL, PASS, SUCCEED, Orders, Shop


def test_record_has_effect_and_token_of_each_redrive(server):
    orders = Orders(server)
    execution = orders.start_and_end(FAIL, SUCCEED)
    server.play("states", "RedriveExecution", "lose_request")
    server.play("states", "RedriveExecution", "lose_answer")
    for _ in range(2):
        with pytest.raises(ConnectionClosedError):
            orders.redrive(execution, "first")
    orders.redrive(execution, "first")
    with pytest.raises(ClientError):
        orders.redrive(execution, "second")
    record = server.record("RedriveExecution")
    ats = [call.pop("at") for call in record]
    assert ats == sorted(ats)
    about = {"operation": "RedriveExecution", "arn": execution, "clientToken": "first"}
    refused = {"clientToken": "second", "effect": "refused", "error": "ExecutionNotRedrivable", "answered": True}
    assert record == [
        {**about, "effect": "not_received", "answered": False},
        {**about, "effect": "done", "answered": False},
        {**about, "effect": "replayed", "answered": True},
        {**about, **refused},
    ]


def test_record_has_effect_of_each_stage_retry(server):
    shop = Shop(server)
    execution = shop.start_and_break(PASS)
    server.play("codepipeline", "RetryStageExecution", "lose_answer")
    with pytest.raises(ConnectionClosedError):
        shop.retry(execution)
    with pytest.raises(ClientError):
        shop.retry(execution)
    server.play("codepipeline", "RetryStageExecution", "lose_answer")
    with pytest.raises(ConnectionClosedError):
        shop.retry(execution)
    record = server.record("RetryStageExecution")
    about = {"pipelineName": "shop", "stageName": "Build", "pipelineExecutionId": execution}
    assert all(call.items() >= about.items() for call in record)
    assert [(call["effect"], call.get("error"), call["answered"]) for call in record] == [
        ("done", None, False),
        ("refused", "ConflictException", True),
        ("refused", "ConflictException", False),
    ]


def test_record_holds_every_call_of_all_regions(server):
    for region in (REGION, "us-east-1"):
        server.client("stepfunctions", region=region, key=ACCOUNT).list_state_machines()
    server.client("codepipeline").list_pipelines()
    status, text = server.send("GET", "/_redrive/record")
    operations = sorted(call["operation"] for call in json.loads(text))
    assert (status, operations) == (200, ["ListPipelines", "ListStateMachines", "ListStateMachines"])
