"""The decisions on an event bus, and the metrics in the lines that CloudWatch reads."""

import json
import socket
import time
from datetime import datetime
from pathlib import Path

import pytest
from emulator import ACCOUNT, REGION
from subjects import BREAK, FAIL, HANG, RUN, SUCCEED
from test_codepipeline import Scene as Stage
from test_stepfunctions import AT_ONCE, DENIED, LATER
from test_stepfunctions import Scene as Execution

SAMPLE = json.loads((Path(__file__).resolve().parents[2] / "events/redrive-01-gave-up.json").read_text())
NEVER = "{ version: 1, retry: { automatic: { id: any, limit: 0 } } }"


@pytest.fixture
def bus(account):
    """An event bus of the account, and the events put on it."""
    name = account.tmp_path.name[:64]
    account.moto.client("events").create_event_bus(Name=name)

    class Bus:
        on = {"REDRIVE_BUS": name}

        def put(self):
            """The details. Checks the envelopes around them."""
            bodies = [body for operation, body in account.moto.requests() if operation == "PutEvents"]
            entries = [entry for body in bodies for entry in body["Entries"] if entry["EventBusName"] == name]
            for entry in entries:
                assert (entry["Source"], entry["DetailType"]) == (SAMPLE["source"], SAMPLE["detail-type"])
            return [{**json.loads(entry["Detail"]), "arn": entry["Resources"]} for entry in entries]

    return Bus()


def test_decision_is_put_on_the_bus_once(account, bus):
    scene = Execution(account, FAIL, SUCCEED)
    function = account.function("stepfunctions", AT_ONCE, **bus.on)
    failed = scene.events("FAILED")[0]
    assert function.invoke(failed)["outcome"] == "retried"
    assert function.invoke(failed)["outcome"] == "duplicate"
    scene.end()
    assert function.invoke(scene.events("SUCCEEDED")[0])["outcome"] == "recovered"
    retried, recovered = bus.put()
    assert (retried["outcome"], retried["mode"], retried["arn"]) == ("retried", "act", [scene.execution])
    assert (recovered["outcome"], recovered["subject"]) == ("recovered", {"execution": {"arn": scene.execution}})
    lines = function.wide(3)
    assert [line.get("decisions_put") for line in lines] == [1, None, 1]
    assert [line["calls"].get("PutEvents") for line in lines] == [1, None, 1]


def test_stage_given_up_has_a_diagnosis_on_the_bus(account, bus):
    scene = Stage(account, BREAK)
    function = account.function("codepipeline", NEVER, **bus.on)
    assert function.invoke(scene.events("FAILED")[0])["outcome"] == "gave_up"
    (detail,) = bus.put()
    assert set(detail) - {"arn"} == set(SAMPLE["detail"])
    (diagnosis,) = detail["diagnosis"]
    assert set(diagnosis) == set(SAMPLE["detail"]["diagnosis"][0])
    assert function.wide(1)[0]["diagnosis"] == [diagnosis]


def test_due_and_sweep_put_their_decisions(account, bus):
    scene = Execution(account, FAIL, SUCCEED)
    account.function("stepfunctions", LATER).invoke(scene.events("FAILED")[0])
    due = account.function("due", LATER, **bus.on)
    due.invoke({"Records": account.messages()})
    other = Stage(account, HANG)
    sweep = account.function("sweep", AT_ONCE, REDRIVE_SINCE="2020-01-01T00:00:00Z", **bus.on)
    assert sweep.invoke({})["discovery"]["outcomes"] == {"retried": 1}
    assert [(detail["function"], detail["service"]) for detail in bus.put()] == [("due", "step_functions"), ("sweep", "code_pipeline")]
    assert other.retries() == 1
    record, tick = sweep.wide(2)
    assert (record.get("decisions_put"), tick["decisions_put"]) == (None, 1)


def test_many_decisions_are_put_in_several_calls(account, bus):
    first = Execution(account, FAIL, SUCCEED)
    for _ in range(22):
        first.orders.start(FAIL, SUCCEED)
    account.server.wind(RUN)
    sweep = account.function("sweep", AT_ONCE, REDRIVE_SINCE="2020-01-01T00:00:00Z", **bus.on)
    assert sweep.invoke({})["discovery"]["outcomes"] == {"retried": 23}
    assert len(bus.put()) == 23
    tick = sweep.wide(24)[-1]
    assert (tick["decisions_put"], tick["calls"]["PutEvents"]) == (23, 3)
    assert (tick["DiscoveredExecutions"], tick["DiscoveredStages"]) == (23, 0)


@pytest.mark.parametrize("broken", ["no bus of that name", "no connection"])
def test_refusing_bus_changes_nothing_and_is_counted(account, bus, broken):
    scene = Execution(account, FAIL, SUCCEED)
    away = {"AWS_ENDPOINT_URL_EVENTBRIDGE": "http://127.0.0.1:9"} if broken == "no connection" else {"REDRIVE_BUS": "nowhere"}
    function = account.function("stepfunctions", AT_ONCE, **{**bus.on, **away})
    assert function.invoke(scene.events("FAILED")[0])["outcome"] == "retried"
    assert (scene.standing(), scene.entry()["state"]) == (("RUNNING", 1), "retried")
    (line,) = function.wide(1)
    assert (line["decisions_lost"], line["DecisionsLost"], line["Retried"]) == (1, 1, 1)
    assert "decisions_put" not in line and bus.put() == []


def test_bus_without_answer_is_not_waited_for(account, bus):
    scene = Execution(account, FAIL, SUCCEED)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        function = account.function("stepfunctions", AT_ONCE, **bus.on, AWS_ENDPOINT_URL_EVENTBRIDGE=url)
        assert function.invoke(scene.events("FAILED")[0])["outcome"] == "retried"
    (line,) = function.wide(1)
    assert (line["decisions_lost"], line["calls"]["PutEvents"]) == (1, 2), "two tries and no more"


def test_event_on_the_bus_holds_no_text_of_an_execution(account, bus):
    secret = {"fail": {"state": "Load", "error": "Secret.Error", "cause": "password hunter2"}, "after_ms": RUN * 1000}
    scene = Execution(account, secret, SUCCEED)
    function = account.function("stepfunctions", NEVER, **bus.on)
    assert function.invoke(scene.events("FAILED")[0])["outcome"] == "gave_up"
    written = json.dumps(bus.put()) + "".join(function.output)
    assert "hunter2" not in written and "Secret.Error" not in written and scene.execution in written


def test_no_bus_receives_no_decisions(account, bus):
    scene = Execution(account, FAIL, SUCCEED)
    _, calls = account.costs(account.function("stepfunctions", AT_ONCE), scene.events("FAILED")[0])
    assert "PutEvents" not in calls and bus.put() == []


# CloudWatch


def metrics(line):
    """The metrics that CloudWatch reads from a line."""
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("redrive", [["Stack"]])
    return {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}


def test_each_line_has_its_metrics_by_stack(account):
    scene = Execution(account, FAIL, SUCCEED)
    function = account.function("stepfunctions", AT_ONCE, REDRIVE_STACK="nightly")
    function.invoke(scene.events("FAILED")[0])
    function.invoke([])
    redriven, malformed = function.wide(2)
    assert metrics(redriven) == {"Retried": 1, "DecisionLatency": redriven["took_ms"]}
    assert metrics(malformed) == {"Malformed": 1}
    assert {line["Stack"] for line in (redriven, malformed)} == {"nightly"}
    received, said = (datetime.fromisoformat(redriven[name]).timestamp() * 1000 for name in ("at", "timestamp"))
    assert received <= redriven["_aws"]["Timestamp"] <= said + 1


def test_denied_redrive_counts_as_denied(account):
    scene = Execution(account, FAIL, SUCCEED)
    account.server.play("states", "RedriveExecution", DENIED)
    function = account.function("stepfunctions", AT_ONCE)
    function.invoke(scene.events("FAILED")[0])
    assert metrics(function.wide(1)[0])["AccessDenied"] == 1


def test_abandoned_claim_shows_its_age_until_settled(account):
    scene = Execution(account, FAIL, SUCCEED)
    account.server.play("states", "RedriveExecution", "lose_answer")
    function = account.function("stepfunctions", AT_ONCE, AWS_MAX_ATTEMPTS="1")
    assert function.invoke(scene.events("FAILED")[0])["outcome"] == "in_doubt"
    account.set(scene.execution, next_check_at=0, updated_at=int(time.time() * 1000) - 500_000)
    sweep = account.function("sweep", AT_ONCE)
    sweep.invoke({})
    sweep.invoke({})
    ages = [line["OldestClaimAge"] for line in sweep.wide(3) if line.get("message") == "swept"]
    assert 500 <= ages[0] < 510 and ages[1] == 0


def test_event_on_the_bus_names_account_and_region(account, bus):
    scene = Execution(account, FAIL, SUCCEED)
    account.function("stepfunctions", AT_ONCE, **bus.on).invoke(scene.events("FAILED")[0])
    (detail,) = bus.put()
    assert detail["arn"][0].startswith(f"arn:aws:states:{REGION}:{ACCOUNT}:execution:")
