"""The billed resources of each path of a failure: calls, units of DynamoDB's own engine, bytes of log, CPU.

`tests/cost/run` makes dollars of what is kept here. UPDATE_EXPECTED=1 writes it, and the difference is part of the
review.
"""

import json
import math
import os
import statistics
import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from fixtures import ROOT, ledger_as_deployed
from emulator import REGION
from subjects import FAIL, PASS, RUN, SUCCEED, Orders, Shop

sys.path.append(str(ROOT / "tests/bench"))
from throttle import cpu_ms  # noqa: E402

KEPT = ROOT / "tests/cost/measured.json"
# The first rounds read the definitions of the machine and the pipeline, and are not counted.
ROUNDS, LEARNING = 7, 2
POLICY = """
version: 1
retry:
  automatic:
    - id: throttled
      description: the service that was called had too much to do
      limit: 3
      backoff: { interval_seconds: 0, jitter_strategy: NONE }
"""
LATER = POLICY.replace("seconds: 0", "seconds: 1")


class Executions:
    """Executions of one unchanged machine that fail one after another."""

    function, unmatched = "stepfunctions", POLICY.replace("limit: 3", "limit: 3\n      error: Other")

    def __init__(self, account):
        self.server, self.orders = account.server, Orders(account.server)
        # What is learned of a machine holds for executions that began a minute after its last change.
        self.server.wind(2 * RUN)

    def fail(self):
        self.subject = self.orders.start_and_end(FAIL, SUCCEED)
        return self.event("FAILED")

    def event(self, status):
        (found,) = (one for one in self.server.events() if one["resources"] == [self.subject] and one["detail"]["status"] == status)
        return found

    def recover(self):
        self.server.wind(RUN)
        return self.event("SUCCEEDED")


class Stages:
    """Stages of one pipeline that fail one after another."""

    function, unmatched = "codepipeline", POLICY.replace("limit: 3", "limit: 3\n      summary: other")

    def __init__(self, account):
        self.server, self.shop = account.server, Shop(account.server)

    def fail(self):
        self.subject = self.shop.start_and_break(PASS)
        return self.event("FAILED")

    def event(self, state):
        (found,) = (
            one
            for one in self.server.events()
            if one["detail-type"] == "CodePipeline Stage Execution State Change"
            and (one["detail"]["execution-id"], one["detail"]["stage"], one["detail"]["state"]) == (self.subject, "Build", state)
        )
        return found

    def recover(self):
        self.server.wind(RUN)
        return self.event("SUCCEEDED")


class Meter:
    """The functions of one account, and the resources of each invocation."""

    def __init__(self, account, engine):
        self.account, self.functions, self.steps, self.counted = account, {}, [], 0
        self.engine = account.server.session.client(
            "dynamodb", region_name=REGION, endpoint_url=engine, aws_access_key_id="cost", aws_secret_access_key="any"
        )
        self.engine.create_table(TableName=account.table, **ledger_as_deployed())

    def function(self, name, policy, mode):
        if name not in self.functions:
            # As on a calm day: within its share of the quota a process retries without a slot.
            calm = {"REDRIVE_EXECUTION_QUOTA": "0", "REDRIVE_STAGE_QUOTA": "0"}
            since = {"REDRIVE_STACK": "redrive", "REDRIVE_SINCE": "2020-01-01T00:00:00Z"}
            self.functions[name] = self.account.function(name, policy, mode, **calm, **since)
        return self.functions[name]

    def invoke(self, name, payload, policy=POLICY, mode="act"):
        function = self.function(name, policy, mode)
        before, lines, cpu = self.account.calls(), len(function.lines()), spent(function)
        answer = function.invoke(payload)
        said = written(function, lines)
        step = {
            "function": name,
            "calls": dict(sorted((self.account.calls() - before).items())),
            **self.units(),
            "log_bytes": [len(line.encode().rstrip()) for line in said],
            "cpu_ms": spent(function) - cpu if cpu else None,
        }
        self.steps.append(step)
        return answer, json.loads(said[-1])

    def units(self):
        """The units that DynamoDB Local counts for the same requests, repeated there."""
        requests = [one for one in self.account.moto.requests() if one[1].get("TableName") == self.account.table]
        units = {"written": 0, "written_in_index": 0, "read": 0}
        for operation, body in requests[self.counted :]:
            try:
                counted = self.engine._make_api_call(operation, {**body, "ReturnConsumedCapacity": "INDEXES"})["ConsumedCapacity"]
            except ClientError as error:
                raise AssertionError(f"{operation} is refused here, and was not there") from error
            if operation in ("GetItem", "Query"):
                units["read"] += counted["CapacityUnits"]
            else:
                units["written"] += counted["Table"]["CapacityUnits"]
                units["written_in_index"] += sum(one["CapacityUnits"] for one in counted.get("GlobalSecondaryIndexes", {}).values())
        self.counted = len(requests)
        return units

    def entry_bytes(self):
        """The size of one entry, from the engine."""
        table = self.engine.describe_table(TableName=self.account.table)["Table"]
        return round(table["TableSizeBytes"] / table["ItemCount"])

    def round(self):
        steps, self.steps = self.steps, []
        return steps


def spent(function):
    """CPU time of the running program so far. It is the only child of the emulator."""
    time.sleep(0.02)
    tasks = Path(f"/proc/{function.process.pid}/task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    return cpu_ms(int(children[0])) if children else None


def written(function, lines):
    """The lines after the first `lines`, once there is one."""
    until = time.monotonic() + 10
    while len(function.lines()) <= lines and time.monotonic() < until:
        time.sleep(0.01)
    return [line for line in function.output if line.startswith("{")][lines:]


def failing(policy, outcome, mode="act"):
    def play(subjects, meter):
        answer, _ = meter.invoke(subjects.function, subjects.fail(), policy or subjects.unmatched, mode)
        assert answer["outcome"] == outcome, answer

    return play


def later(subjects, meter):
    failing(LATER, "queued")(subjects, meter)
    _, line = meter.invoke("due", {"Records": meter.account.messages()}, LATER)
    assert line["outcome"] == "retried", line


def recovering(subjects, meter):
    failing(POLICY, "retried")(subjects, meter)
    meter.round()
    answer, _ = meter.invoke(subjects.function, subjects.recover())
    assert answer["outcome"] == "recovered", answer


def a_tick(_, meter):
    _, line = meter.invoke("sweep", {})
    assert line["message"] == "swept", line


class Nothing:
    def __init__(self, account):
        pass


ROUNDS_OF = {
    "not retried": failing(None, "gave_up"),
    "observed": failing(POLICY, "observed", "observe"),
    "retried at once": failing(POLICY, "retried"),
    "retried later": later,
    "recovered": recovering,
}
PATHS = {f"{kind}, {path}": (what, play) for kind, what in (("execution", Executions), ("stage", Stages)) for path, play in ROUNDS_OF.items()}
PATHS["idle tick"] = Nothing, a_tick


def exact(step):
    """The part that is equal in every round."""
    return {name: value for name, value in step.items() if name not in ("log_bytes", "cpu_ms")}


def measured(account, engine, path):
    what, play = PATHS[path]
    subjects, meter, rounds = what(account), Meter(account, engine), []
    for _ in range(ROUNDS):
        play(subjects, meter)
        rounds.append(meter.round())
    steps = []
    for step in zip(*rounds[LEARNING:], strict=True):
        # Some rounds also check whether the machine is unchanged. That is free, and not part of every round.
        steps.append(json.loads(statistics.mode(json.dumps(exact(one)) for one in step)))
        steps[-1]["log_bytes"] = [round(statistics.median(sizes)) for sizes in zip(*(one["log_bytes"] for one in step), strict=True)]
        steps[-1]["cpu_ms"] = round(statistics.median(one["cpu_ms"] for one in step), 2)
    return {"invocations": steps, "entry_bytes": meter.entry_bytes()}


@pytest.mark.parametrize("path", PATHS)
def test_billed_resources_equal_the_recorded_ones(account, dynamodb_local, path):
    found = measured(account, dynamodb_local, path)
    if os.environ.get("UPDATE_EXPECTED"):
        keep(path, found)
    kept = json.loads(KEPT.read_text())[path]
    assert found["entry_bytes"] == pytest.approx(kept["entry_bytes"], rel=0.03)
    found, kept = found["invocations"], kept["invocations"]
    assert list(map(exact, found)) == list(map(exact, kept))
    for now, then in zip(found, kept, strict=True):
        # Times and identifiers vary a little in length.
        assert now["log_bytes"] == [pytest.approx(size, rel=0.03) for size in then["log_bytes"]]
        # CPU time differs between machines; a debug build takes ten times as much.
        if "REDRIVE_BUILD" in os.environ:
            assert math.isclose(math.log(now["cpu_ms"]), math.log(then["cpu_ms"]), abs_tol=math.log(4)), (now["cpu_ms"], then["cpu_ms"])


def keep(name, found):
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    KEPT.write_text(json.dumps({**kept, name: found}, indent=1) + "\n")
