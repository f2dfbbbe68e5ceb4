"""Failures whose events are lost, and the sweep that finds them under the real runtime."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from subjects import BREAK, FAIL, HANG, INTO_A_FAIL_STATE, RUN, STAGES, SUCCEED, Orders, Shop
from test_codepipeline import Scene as Stage
from test_stepfunctions import AT_ONCE, LATER, THROTTLED
from test_stepfunctions import Scene as Execution

LONG_AGO = "2020-01-01T00:00:00Z"
# The calls of a sweep that finds nothing.
LISTS = {"Query": 8, "GetItem": 1, "ListStateMachines": 1, "ListPipelines": 1, "PutItem": 1}


def sweeping(account, policy=AT_ONCE, **environment):
    return account.function("sweep", policy, **{"REDRIVE_SINCE": LONG_AGO, **environment})


def test_a_failure_whose_event_was_lost_is_redriven_once_by_the_next_tick(account):
    scene = Execution(account, FAIL, SUCCEED)
    sweep = sweeping(account)
    search = sweep.invoke({})["discovery"]
    assert search.pop("watermark").endswith("Z")
    assert search == {
        "targets": 1,
        "pages": 4,
        "seen": 1,
        "known": 0,
        "outcomes": {"retried": 1},
        "errors": 0,
        "left": 0,
        "more": False,
    }
    assert scene.standing() == ("RUNNING", 1)
    answer, calls = account.costs(sweep, {})
    assert (answer["discovery"]["seen"], calls) == (0, {**LISTS, "ListExecutions": 2})
    scene.end()
    assert sweep.invoke({})["discovery"]["seen"] == 0
    assert (scene.redrives(), scene.standing()) == (1, ("SUCCEEDED", 1))
    record, first, *_ = sweep.wide(4)
    assert (record["outcome"], record["subject"]) == ("retried", {"execution": {"arn": scene.execution}})
    assert (first["message"], first["discovery"]["outcomes"]) == ("swept", {"retried": 1})


def test_a_failed_stage_whose_event_was_lost_is_retried_once_by_the_next_tick(account):
    scene = Stage(account, HANG)
    sweep = sweeping(account)
    assert sweep.invoke({})["discovery"]["outcomes"] == {"retried": 1}
    assert scene.shop.status() == "InProgress"
    answer, calls = account.costs(sweep, {})
    assert (answer["discovery"]["seen"], calls) == (0, {**LISTS, "GetPipelineState": 1})
    assert scene.retries() == 1


@pytest.mark.parametrize(("rollback", "done"), [(True, "gave_up"), (False, "retried")])
def test_missing_execution_type_is_read_once(account, rollback, done):
    scene = Stage(account, HANG, rollback=rollback, shows_type=False)
    sweep = sweeping(account)
    answer, calls = account.costs(sweep, {})
    assert answer["discovery"]["outcomes"] == {done: 1}
    assert calls["GetPipelineExecution"] == 1
    answer, calls = account.costs(sweep, {})
    assert (answer["discovery"]["outcomes"], "GetPipelineExecution" in calls) == ({}, False)
    assert scene.retries() == (0 if rollback else 1)
    assert scene.entry()["verdict"]["reason"] == ("rollback" if rollback else "matched")


def test_late_event_of_a_discovered_failure_is_a_duplicate(account):
    scene = Execution(account, FAIL, HANG)
    assert sweeping(account).invoke({})["discovery"]["outcomes"] == {"retried": 1}
    late = account.function("stepfunctions", AT_ONCE).invoke(scene.events("FAILED")[0])
    assert (late["outcome"], scene.redrives()) == ("duplicate", 1)


def test_announced_failure_is_not_discovered_again(account):
    scene = Execution(account, FAIL, HANG)
    account.function("stepfunctions", LATER).invoke(scene.events("FAILED")[0])
    answer, calls = account.costs(sweeping(account, LATER), {})
    assert (answer["discovery"]["seen"], answer["discovery"]["known"], answer["discovery"]["outcomes"]) == (1, 1, {})
    assert calls == {**LISTS, "ListExecutions": 2, "GetItem": 2}, "one read more"
    assert scene.redrives() == 0


def test_new_deployment_ignores_failures_before_its_first_sweep(account):
    orders = Orders(account.server)
    at_once = {**FAIL, "after_ms": 1}
    before = orders.start(at_once, SUCCEED)
    time.sleep(0.5)
    sweep = sweeping(account, REDRIVE_SINCE="")
    for _ in range(2):
        assert sweep.invoke({})["discovery"]["seen"] == 0
    after = orders.start(at_once, SUCCEED)
    time.sleep(0.5)
    assert sweep.invoke({})["discovery"]["outcomes"] == {"retried": 1}
    assert (orders.standing(before), orders.standing(after)) == (("FAILED", 0), ("RUNNING", 1))


def test_failures_before_since_are_ignored(account):
    scene = Execution(account, FAIL, SUCCEED)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert sweeping(account, REDRIVE_SINCE=tomorrow).invoke({})["discovery"]["seen"] == 0
    assert scene.redrives() == 0
    # An earlier Since reaches further back, despite the checkpoint.
    assert sweeping(account).invoke({})["discovery"]["outcomes"] == {"retried": 1}


def test_invalid_since_is_reported_at_the_start(account):
    sweep = sweeping(account, REDRIVE_SINCE="yesterday")
    assert sweep.invoke({}) is None
    (line,) = sweep.errors(1)
    assert 'REDRIVE_SINCE is "yesterday": expected a time with its offset' in line["message"]


def test_only_permitted_targets_are_listed(account):
    scene = Execution(account, FAIL, SUCCEED)
    Shop(account.server).start_and_break()
    sweep = sweeping(account, REDRIVE_STATE_MACHINES="etl-*", REDRIVE_PIPELINES="web")
    answer, calls = account.costs(sweep, {})
    assert (answer["discovery"]["targets"], calls) == (0, LISTS)
    named = sweeping(account, REDRIVE_STATE_MACHINES="ord*", REDRIVE_PIPELINES="web")
    assert named.invoke({})["discovery"]["outcomes"] == {"retried": 1}
    assert scene.redrives() == 1


def test_observe_mode_records_discovered_failures_and_changes_nothing(account):
    scene = Execution(account, FAIL, SUCCEED)
    assert sweeping(account, REDRIVE_MODE="observe").invoke({})["discovery"]["outcomes"] == {"observed": 1}
    assert sweeping(account).invoke({})["discovery"]["known"] == 1
    assert (scene.redrives(), scene.entry()["state"]) == (0, "observed")


def test_discovered_failure_is_judged_like_an_announced_one(account):
    account.server.wind(2 * RUN)
    orders = Orders(account.server, INTO_A_FAIL_STATE)
    ended = orders.start_and_end({"fail": {"state": "GiveUp"}, "after_ms": RUN * 1000})
    answer, calls = account.costs(sweeping(account), {})
    assert answer["discovery"]["outcomes"] == {"gave_up": 1}
    assert account.entry(ended)["verdict"]["reason"] == "fail_state"
    asked = {"DescribeExecution": 1, "DescribeStateMachineForExecution": 1, "GetExecutionHistory": 1}
    # The checkpoint, the entry, and the cached definition.
    assert calls == {**LISTS, "ListExecutions": 2, **asked, "GetItem": 3, "PutItem": 3}


def test_cached_definition_is_confirmed_rather_than_read_again(account):
    scene = Execution(account, FAIL, SUCCEED)
    executions = [scene.execution, *(scene.orders.start_and_end(FAIL, SUCCEED) for _ in range(2))]
    answer, calls = account.costs(sweeping(account), {})
    assert answer["discovery"]["outcomes"] == {"retried": 3}
    assert [scene.orders.standing(execution) for execution in executions] == [("RUNNING", 1)] * 3
    assert (calls["DescribeStateMachineForExecution"], calls["DescribeStateMachine"]) == (1, 1)
    assert (calls["DescribeExecution"], calls["RedriveExecution"]) == (3, 3)


def test_each_execution_of_a_parallel_pipeline_is_read(account):
    client = account.server.client("codepipeline")
    shop = Shop(account.server)
    declared = client.get_pipeline(name="shop")["pipeline"]
    client.update_pipeline(pipeline={**declared, "executionMode": "PARALLEL", "stages": STAGES, "pipelineType": "V2"})
    executions = [shop.start(Compile=[BREAK, HANG]) for _ in range(2)]
    account.server.wind(RUN)
    account.server.wind(RUN)
    answer, calls = account.costs(sweeping(account), {})
    assert answer["discovery"]["outcomes"] == {"retried": 2}
    assert (calls["ListPipelineExecutions"], calls["RetryStageExecution"]) == (1, 2)
    assert calls["GetPipelineExecution"] == 2, "a person may have stopped either"
    assert [shop.execution_status(execution) for execution in executions] == ["InProgress"] * 2


def test_throttling_service_is_left_until_the_next_sweep(account):
    scene = Execution(account, FAIL, SUCCEED)
    for _ in range(3):
        account.server.play("states", "ListExecutions", THROTTLED)
    sweep = sweeping(account)
    search = sweep.invoke({})["discovery"]
    assert (search["throttled"], search["left"], search["more"], search["errors"]) == (["step_functions"], 1, True, 0)
    assert sweep.invoke({})["discovery"]["outcomes"] == {"retried": 1}
    assert scene.redrives() == 1


def test_denied_list_is_reported_and_stops_no_other(account):
    stage = Stage(account, HANG)
    account.server.play("states", "ListStateMachines", {"refuse": {"code": "AccessDeniedException", "message": "no"}})
    sweep = sweeping(account)
    search = sweep.invoke({})["discovery"]
    assert (search["errors"], search["outcomes"]) == (1, {"retried": 1})
    error = next(line for line in sweep.wide(3) if line["level"] == "ERROR")
    assert (error["listing"], error["error"]) == ("step_functions", "ListStateMachines AccessDeniedException")
    assert stage.retries() == 1
