"""Retries in a storm wait for their slots."""

import time

import pytest
from subjects import BREAK, FAIL, HANG, SUCCEED
from test_codepipeline import Scene as Stage
from test_stepfunctions import AT_ONCE
from test_stepfunctions import Scene as Execution
from test_sweep import sweeping

# One unpaced retry in three minutes, and one slot each second.
LEAST = {"REDRIVE_EXECUTION_QUOTA": "1/1", "REDRIVE_STAGE_QUOTA": "1/1"}


def failures(scene, count):
    """The events of `count` failed executions. The function has the machine's definition."""
    events = [scene.events("FAILED", scene.orders.start_and_end(FAIL, SUCCEED))[0] for _ in range(count)]
    return [{**event, "detail": {**event["detail"], "status": "TIMED_OUT"}} for event in events]


def test_retry_waits_for_its_slot_and_is_made_once(account):
    scene = Execution(account)
    function, due = (account.function(name, AT_ONCE, **LEAST) for name in ("stepfunctions", "due"))
    first, second, third = failures(scene, 3)
    answer, calls = account.costs(function, first)
    assert (answer["outcome"], "UpdateItem" in calls) == ("retried", False), "a calm day costs no call more"
    # The first reservation finds no earlier one.
    answer, calls = account.costs(function, second)
    assert (answer["outcome"], calls) == ("queued", {"UpdateItem": 2, "PutItem": 1, "SendMessage": 1})
    assert 1000 <= answer["slot_wait_ms"] < 2200
    # It covers two retries if both arrive within a second.
    answer, calls = account.costs(function, third)
    assert calls.pop("UpdateItem", 0) < 2
    assert (answer["outcome"], calls) == ("queued", {"PutItem": 1, "SendMessage": 1})
    assert 1000 <= answer["slot_wait_ms"] < 3300
    assert scene.redrives() == 1
    until = time.monotonic() + 15
    while scene.redrives() < 3 and time.monotonic() < until:
        due.invoke({"Records": account.messages()})
    assert scene.redrives() == 3
    assert [line.get("slot_wait_ms", 0) > 0 for line in function.wide(3)] == [False, True, True]


@pytest.mark.parametrize("quota", ["0", "800/150"])
def test_three_failures_are_no_storm(account, quota):
    scene = Execution(account)
    function = account.function("stepfunctions", AT_ONCE, REDRIVE_EXECUTION_QUOTA=quota)
    for event in failures(scene, 3):
        answer, calls = account.costs(function, event)
        assert (answer["outcome"], calls) == ("retried", {"PutItem": 2, "RedriveExecution": 1})


def test_stages_have_slots_of_their_own(account):
    scene = Stage(account, BREAK, HANG)
    function = account.function("codepipeline", AT_ONCE, **LEAST)
    assert function.invoke(scene.events("FAILED")[0])["outcome"] == "retried"
    scene.end()
    answer, calls = account.costs(function, scene.events("FAILED")[1])
    assert (answer["outcome"], calls["UpdateItem"], calls["SendMessage"]) == ("queued", 2, 1)
    keys = {item["pk"]["S"] for item in account.dynamodb.scan(TableName=account.table)["Items"]}
    assert {key for key in keys if key.startswith("slots#")} == {"slots#RetryStageExecution"}


def test_discovered_failures_are_paced_too(account):
    scene = Execution(account)
    for _ in range(3):
        scene.orders.start_and_end(FAIL, SUCCEED)
    answer, calls = account.costs(sweeping(account, **LEAST), {})
    assert answer["discovery"]["outcomes"] == {"retried": 1, "queued": 2}
    assert calls["UpdateItem"] in (2, 3)
    assert scene.redrives() == 1
