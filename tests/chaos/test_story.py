"""A thousand failing subjects, and the real functions on the real engines, with faults between them.

    sam build
    REDRIVE_BUILD=.aws-sam/build pytest -s tests/chaos

The four programs run against Lambda's Runtime API, Amazon's DynamoDB Local, moto's SQS and `redrive serve`, through a
proxy that throttles, fails, cuts, holds back and kills, before or after what was asked took effect. Events are lost,
doubled, late and out of order, and so are messages; clocks are up to five minutes apart. Then all faults stop, and
what the ledger says is compared with the emulator's own record.

Waits that Lambda, SQS and EventBridge make are shortened (fleet.py). The time that leases, tokens and delays need
passes by setting the clocks of the emulator and of the functions ahead together, while no function runs.

REDRIVE_SEED repeats a story, as far as processes that run side by side repeat anything.
"""

import json
import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from compare import Truth, compared
from fixtures import ledger_as_deployed, plain
from emulator import ACCOUNT, REGION
from fleet import Fleet, fate
from proxy import FAULTS, Proxy, FaultPlan, one_token_for_all, unconditional
from subjects import ONE_TASK, ROLE, action

POLICY = """
version: 1
policies:
  - name: executions
    match: { state_machine: "*" }
    retry:
      automatic:
        - { id: at-once, error: At.Once, limit: 2, backoff: { interval_seconds: 0 } }
        - { id: soon, error: Soon, limit: 2, backoff: { interval_seconds: 1, jitter_strategy: NONE } }
        - id: much-later
          status: TIMED_OUT
          limit: 1
          backoff: { interval_seconds: 1800, max_delay_seconds: 1800, jitter_strategy: NONE }
  - name: stages
    match: { pipeline: "*" }
    retry:
      automatic:
        - { id: at-once, summary: "At.Once", limit: 2, backoff: { interval_seconds: 0 } }
        - { id: soon, summary: "Soon", limit: 2, backoff: { interval_seconds: 1, jitter_strategy: NONE } }
"""
# The ways in which subjects fail, their weights, and the policy's limits.
ERRORS = {"At.Once": (5, 2), "Soon": (3, 2), "TIMED_OUT": (1, 1), "Never": (1, 0)}
# A stage may not time out.
OF_STAGES = {name: it for name, it in ERRORS.items() if name != "TIMED_OUT"}

# The fates of an event while faults are injected. `held` arrives after the clock has advanced.
EVENTS = {"at once": 50, "lost": 15, "doubled": 20, "late": 10, "held": 5}
MESSAGES = {"at once": 60, "lost": 20, "doubled": 20}
HEALED = {"at once": 1}

# Longer than a lease of 420 s, and than AWS remembers a token, which is 15 minutes.
STEP = 16 * 60
# The number of parallel executions of a pipeline.
SIDE_BY_SIDE = 40
HANDLED = {"FAILED", "TIMED_OUT", "SUCCEEDED"}
ACTS = ("RedriveExecution", "RetryStageExecution")


class Story:
    """Executions and stages, and their outcomes."""

    def __init__(self, engines, executions, stages, rounds, seed, distort=lambda _, body: body):
        self.engines, self.executions, self.stages, self.rounds, self.seed = engines, executions, stages, rounds, seed
        self.server, home = engines.server, engines.home
        self.fault_plan = FaultPlan(seed, rate=0.12)
        upstream = {
            "DynamoDB_20120810": engines.dynamodb_local,
            "AmazonSQS": engines.moto.url,
            "AWSStepFunctions": self.server.url,
            "CodePipeline_20150709": self.server.url,
        }
        self.proxy = Proxy(upstream, self.fault_plan, lambda name: self.fleet.kill(name), distort)
        # DynamoDB Local has tables by access key: the functions' own.
        keys = {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": "any"}
        url = engines.dynamodb_local
        self.dynamodb = engines.session.client("dynamodb", region_name=REGION, endpoint_url=url, **keys)
        self.table = home.name
        self.dynamodb.create_table(TableName=self.table, **ledger_as_deployed())
        policy = home / "policy.yaml"
        policy.write_text(POLICY)
        environment = {
            "REDRIVE_MODE": "act",
            "REDRIVE_LEDGER": self.table,
            "REDRIVE_POLICY": str(policy),
            "REDRIVE_ACCOUNT": ACCOUNT,
            "REDRIVE_SINCE": "2020-01-01T00:00:00Z",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_ENDPOINT_URL": self.proxy.url,
        }
        sqs = engines.moto.client("sqs")
        self.fleet = Fleet(engines.bootstraps, environment, engines.clock, home, sqs, self.of_message)
        self.fates, self.event_count, self.seen, self.held = Counter(), 0, Counter(), []
        self.events, self.messages = EVENTS, MESSAGES
        self.subjects = {}

    # Failures

    def begin(self):
        """Starts everything, which fails within the next seconds. A retried run fails again at once, or succeeds."""
        client = self.server.client("stepfunctions", max_pool_connections=20)
        orders = client.create_state_machine(name="orders", definition=json.dumps(ONE_TASK), roleArn=ROLE)
        machine = orders["stateMachineArn"]

        def execution(number):
            drawn, error, limit, failures = self.drawn("execution", number, ERRORS)
            said = {"state": "Load", "error": error, "cause": "on purpose"}
            fails = {"time_out": {}} if error == "TIMED_OUT" else {"fail": said}
            outcomes = [{**fails, "after_ms": drawn.randint(50, 1500)} for _ in range(failures)]
            outcomes[0]["after_ms"] = drawn.randint(100, 15_000)
            outcomes.append({"succeed": {}, "after_ms": drawn.randint(50, 1500)})
            arn = client.start_execution(
                stateMachineArn=machine, name=f"run-{number}", input=json.dumps({"outcomes": outcomes})
            )["executionArn"]
            return arn, (limit, failures)

        pipelines = self.server.client("codepipeline", max_pool_connections=20)
        stages = [
            {"name": "Source", "actions": [action("Fetch", "Source", "S3")]},
            {"name": "Build", "actions": [action("Compile", "Build", "CodeBuild")]},
        ]

        def declare(pipeline):
            mode = "PARALLEL" if pipeline.startswith("parallel") else "SUPERSEDED"
            kind = {"pipelineType": "V2", "executionMode": mode}
            pipelines.create_pipeline(pipeline={"name": pipeline, "roleArn": ROLE, "stages": stages, **kind})

        def stage(number):
            drawn, error, limit, failures = self.drawn("stage", number, OF_STAGES)
            pipeline = self.pipeline(number)
            said = {"code": "JobFailed", "message": error, "summary": error}
            runs = [{"fail": said, "after_ms": drawn.randint(50, 1500)} for _ in range(failures)]
            runs[0]["after_ms"] = drawn.randint(100, 15_000)
            runs.append({"succeed": {}, "after_ms": drawn.randint(50, 1500)})
            script = {"Source/Fetch": [{"succeed": {}, "after_ms": 50}], "Build/Compile": runs}
            variables = [{"name": "outcomes", "value": json.dumps(script)}]
            started = pipelines.start_pipeline_execution(name=pipeline, variables=variables)["pipelineExecutionId"]
            return f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:{pipeline}/Build/{started}", (limit, failures)

        for pipeline in sorted({self.pipeline(number) for number in range(self.stages)}):
            declare(pipeline)
        with ThreadPoolExecutor(8) as pool:
            self.subjects.update(pool.map(execution, range(self.executions)))
            self.subjects.update(pool.map(stage, range(self.stages)))

    def drawn(self, what, number, errors):
        drawn = random.Random(f"{self.seed} {what} {number}")
        (error,) = drawn.choices(list(errors), [often for often, _ in errors.values()])
        return drawn, error, errors[error][1], drawn.randint(1, 3)

    @staticmethod
    def pipeline(number):
        """Four of five stages belong to parallel executions of one pipeline."""
        return f"single-{number}" if number % 5 == 0 else f"parallel-{number // (SIDE_BY_SIDE * 5 // 4)}"

    # Events

    def of_message(self, body, times):
        (what, _) = fate(self.seed, self.messages, "message", body, times)
        return what

    def deliver_events(self):
        """Delivers the emulator's events as the template's rules and EventBridge would."""
        events = self.server.events(after=self.event_count)
        self.event_count += len(events)
        for event in events:
            detail = event["detail"]
            if event["source"] == "aws.states":
                state, function = detail["status"], "stepfunctions"
            else:
                state, function = detail["state"], "codepipeline"
                if "Stage" not in event["detail-type"] or detail["stage"] != "Build":
                    continue
            retried = detail.get("redriveCount") or "stage-last-retry-attempt-time" in detail
            if state not in HANDLED or (state == "SUCCEEDED" and not retried):
                continue
            about = (event["resources"][0], detail.get("execution-id"), state)
            self.seen[about] += 1
            what, drawn = fate(self.seed, self.events, *about, self.seen[about])
            self.fates[what] += 1
            if what == "held":
                self.held.append((function, event))
            elif what != "lost":
                self.fleet.deliver(function, event, drawn.uniform(2, 12) if what == "late" else 0)
                if what == "doubled":
                    self.fleet.deliver(function, event, drawn.uniform(0, 3))

    # The run

    def go_wrong(self, seconds):
        """Runs the functions with faults for `seconds` and until everything in flight has arrived, but at most four times as
        long. The rest arrives after the clock has advanced."""
        began = time.monotonic()
        self.fleet.run()
        while (lasted := time.monotonic() - began) < seconds or (self.fleet.has_work() and lasted < 4 * seconds):
            self.deliver_events()
            time.sleep(0.1)
        self.fleet.pause()

    def time_passes(self):
        """Advances all clocks while no function runs. Events held back arrive after that."""
        self.server.wind(STEP)
        self.fleet.ahead += STEP
        for function, event in self.held:
            self.fleet.deliver(function, event)
        self.held.clear()

    def heal(self):
        """Runs without faults and with correct clocks until no work is left."""
        self.fault_plan.rate, self.events, self.messages = 0, HEALED, HEALED
        self.fleet.skew, self.fleet.hurry = 0, True
        for step in range(1, 21):
            count = self.event_count
            self.time_passes()
            until = time.monotonic() + 60
            self.fleet.run()
            while not self.fleet.idle() and time.monotonic() < until:
                self.deliver_events()
                time.sleep(0.1)
            done = self.fleet.idle() and self.event_count == count
            self.fleet.pause()
            if done and not any("due_shard" in entry for entry in self.entries().values()):
                return step
        raise AssertionError("it never comes to rest")

    def play(self):
        self.begin()
        for seconds in self.rounds:
            self.go_wrong(seconds)
            self.time_passes()
        return self.heal()

    # The result

    def entries(self):
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True)
        items = [{name: plain(value) for name, value in item.items()} for page in pages for item in page["Items"]]
        return {item["pk"]: item for item in items if item["pk"].startswith("arn:")}

    def truths(self):
        """The emulator's record of calls, and the status of each subject."""
        truths = {}
        states, pipelines = self.server.client("stepfunctions"), self.server.client("codepipeline")
        for key, (limit, _) in self.subjects.items():
            if ":states:" in key:
                shown = states.describe_execution(executionArn=key)
                standing, count = shown["status"], shown["redriveCount"]
                failures = list(range(count + (standing in ("FAILED", "TIMED_OUT"))))
            else:
                arn, stage, execution = key.split("/")
                rows = pipelines.list_action_executions(
                    pipelineName=arn.split(":")[-1], filter={"pipelineExecutionId": execution}
                )["actionExecutionDetails"]
                runs = [row for row in reversed(rows) if row["stageName"] == stage]
                standing = runs[-1]["status"].upper()
                failures = [run["actionExecutionId"] for run in runs if run["status"] == "Failed"]
            truths[key] = Truth(failures, standing, limit=limit)
        for call in self.server.record("RedriveExecution"):
            if call["effect"] == "done":
                truths[call["arn"]].effects.append(call.get("clientToken", "none"))
        for call in self.server.record("RetryStageExecution"):
            if call["effect"] == "done":
                stage = f"{call['pipelineName']}/{call['stageName']}/{call['pipelineExecutionId']}"
                truths[f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:{stage}"].effects.append(None)
        return truths

    def missing(self, truths):
        """Subjects whose number of retries differs from the policy's: the actual and the expected number."""
        were = {key: (len(truths[key].effects), min(limit, fails)) for key, (limit, fails) in self.subjects.items()}
        return {key: (was, should) for key, (was, should) in were.items() if was != should}


@pytest.fixture
def engines(bootstraps, dynamodb_local, moto, server, session, clock, tmp_path):
    return SimpleNamespace(
        bootstraps=bootstraps, dynamodb_local=dynamodb_local, moto=moto, server=server, session=session, clock=clock,
        home=tmp_path,
    )  # fmt: skip


@contextmanager
def playing(engines, **story):
    seed = int(os.environ.get("REDRIVE_SEED") or random.randrange(10**6))
    print(f"\nREDRIVE_SEED={seed}")
    story = Story(engines, seed=seed, **story)
    try:
        yield story
    finally:
        story.fleet.pause()
        story.proxy.close()


def listed(counts):
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def test_no_double_redrives_and_no_lost_failures(engines):
    began = time.monotonic()
    with playing(engines, executions=700, stages=300, rounds=[20, 8, 8]) as story:
        steps = story.play()
        truths, entries = story.truths(), story.entries()
    found, fleet, proxy = compared(truths, entries), story.fleet, story.proxy
    wrong = Counter(kind for kind, _, _ in found)
    effects = Counter(call["effect"] for name in ACTS for call in story.server.record(name))
    given_up = [entry for entry in entries.values() if entry["state"] == "given_up"]
    reasons = Counter(entry.get("reason") or entry["verdict"]["reason"] for entry in given_up)
    lambda_gave_up = fleet.counts["events given up by Lambda"]
    print(f"subjects    {len(truths):,}, which failed {sum(len(it.failures) for it in truths.values()):,} times")
    print(f"events      {listed(story.fates)}")
    print(f"functions   {listed(fleet.counts)}")
    print(f"given up    {lambda_gave_up} events by Lambda, {fleet.given_up_by_sqs()} messages by SQS")
    print(f"wide lines  {listed(fleet.wide_lines())}")
    print(f"requests    {sum(proxy.calls.values()):,}: {listed(proxy.calls)}")
    print(f"faults      {sum(proxy.faults.values()):,}: {listed(proxy.faults)}")
    print(f"retries     {listed(effects)}; charged {sum(entry['retries'] for entry in entries.values()):,}")
    print(f"of one      at most {max(len(it.effects) for it in truths.values())} retries")
    print(f"entries     {len(entries):,}: {listed(Counter(entry['state'] for entry in entries.values()))}")
    print(f"given up    {listed(reasons)}")
    print(f"the clocks moved on {len(story.rounds) + steps} times; took {time.monotonic() - began:.0f} s")
    print(f"double redrives {wrong['double']}, lost failures {wrong['lost']}")
    missing = story.missing(truths)
    assert not found, "\n".join(map(str, found[:20]))
    assert not missing, list(missing.items())[:20]
    assert set(truths) == set(entries)
    assert not fleet.counts["invocations ended by themselves"]
    # Every fault occurred.
    assert set(proxy.faults) == FAULTS
    assert set(story.fates) == set(EVENTS)


@pytest.mark.parametrize(("distort", "kind"), [(unconditional, "double"), (one_token_for_all, "lost")])
def test_comparison_detects_broken_code(engines, distort, kind):
    """The same run with a ledger whose conditions always hold, and with one token for every failure."""
    with playing(engines, executions=60, stages=40, rounds=[8], distort=distort) as story:
        story.play()
        found = compared(story.truths(), story.entries())
    print(f"{distort.__name__}: {Counter(kind for kind, _, _ in found)}, such as {found[:3]}")
    assert kind in {kind for kind, _, _ in found}

