"""Retries in a storm: those that have no slot wait for theirs."""

import time

import pytest
from subjects import BREAK, FAIL, HANG, SUCCEED
from test_codepipeline import Scene as Stage
from test_stepfunctions import AT_ONCE
from test_stepfunctions import Scene as Execution
from test_sweep import sweeping

# One retry is free in three minutes, and a slot comes each second.
LEAST = {"REDRIVE_EXECUTION_QUOTA": "1/1", "REDRIVE_STAGE_QUOTA": "1/1"}


def failures(scene, count):
    """The events of so many executions that failed; the machine is known to the function."""
    events = [scene.events("FAILED", scene.orders.start_and_end(FAIL, SUCCEED))[0] for _ in range(count)]
    return [{**event, "detail": {**event["detail"], "status": "TIMED_OUT"}} for event in events]


def test_what_has_no_slot_waits_for_it_and_is_then_retried_once(account):
    scene = Execution(account)
    function, due = (account.function(name, AT_ONCE, **LEAST) for name in ("stepfunctions", "due"))
    first, second, third = failures(scene, 3)
    answer, calls = account.costs(function, first)
    assert (answer["outcome"], "UpdateItem" in calls) == ("retried", False), "a calm day costs no call more"
    # The first reservation of all finds no end of one before it.
    answer, calls = account.costs(function, second)
    assert (answer["outcome"], calls) == ("queued", {"UpdateItem": 2, "PutItem": 1, "SendMessage": 1})
    assert 1000 <= answer["slot_wait_ms"] < 2200
    # That was for two where both came within a second.
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


def test_what_the_sweep_finds_keeps_the_same_pace(account):
    scene = Execution(account)
    for _ in range(3):
        scene.orders.start_and_end(FAIL, SUCCEED)
    answer, calls = account.costs(sweeping(account, **LEAST), {})
    assert answer["discovery"]["outcomes"] == {"retried": 1, "queued": 2}
    assert calls["UpdateItem"] in (2, 3)
    assert scene.redrives() == 1
