"""The deployed stack under real failures: each scenario once with executions, once with stages."""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from failing import Machines, Pipelines
from permissions import Permissions
from stack import BUILT, ROOT, Deployment, Failed, check, own_processes, wait_for

DELAY = 5
USAGE = "usage: tests/deployment/run [--permissions]"
# Shorter delays than in the policy as shipped. ministack names every error of a function Runtime.HandlerError. The
# actual error is in the cause, and that of a stage in the summary.
POLICY = f"""
version: 1
policies:
  - name: executions
    match: {{ state_machine: "*" }}
    retry:
      automatic:
        - {{ id: throttled, cause: "*Throttled*", limit: 2, backoff: {{ interval_seconds: 0 }} }}
        - {{ id: late, cause: "*Late*", limit: 1, backoff: {{ interval_seconds: {DELAY}, jitter_strategy: NONE }} }}
  - name: stages
    match: {{ pipeline: "*" }}
    retry:
      automatic:
        - {{ id: throttled, summary: Throttled, limit: 2, backoff: {{ interval_seconds: 0 }} }}
        - {{ id: late, summary: Late, limit: 1, backoff: {{ interval_seconds: {DELAY}, jitter_strategy: NONE }} }}
"""
WIDER = POLICY.replace('"*Throttled*"', '["*Throttled*", "*Novel*"]')
WIDER = WIDER.replace("summary: Throttled", "summary: [Throttled, Novel]")


class Scenarios:
    """Each scenario takes the service: `failing` starts a subject that fails `n` times, and then succeeds."""

    def __init__(self, deployment):
        self.deployment = deployment
        self.machines, self.pipelines = Machines(deployment), Pipelines(deployment)

    def execution(self, failures, error="Throttled", name="", hangs=False):
        return self.machines.start("transfer" if hangs else "orders", failures, error, name)

    def stage(self, failures, error="Throttled", name="pipeline", hangs=False):
        return self.pipelines.start(failures, error, name, hangs)

    def settled(self, subject, state, seconds=30):
        """The entry of a subject, once it is in this state."""

        def ask():
            entry = self.deployment.entry(subject.key)
            return entry if entry and entry["state"] == state else None

        return wait_for(f"{state} entry of {subject.key}", ask, seconds)

    def lines_about(self, subject, function, **said):
        """The lines of a function about a subject with these members."""
        return [
            line
            for line in self.deployment.lines(function)
            if self.about(subject, line) and said.items() <= line.items()
        ]

    @staticmethod
    def about(subject, line):
        return subject.key.split("/")[-1].split(":")[-1] in str(line.get("subject"))

    # --- Scenarios

    def recovers(self, failing):
        """fails twice, is retried twice, succeeds, and is recorded as recovered"""
        subject = failing(2)
        entry = self.settled(subject, "recovered")
        check(subject.status().upper() == "SUCCEEDED", f"it is {subject.status()}")
        check((entry["retries"], subject.retries()) == (2, 2), f"{entry['retries']} retries, {subject.retries()} done")

    def spends_its_limit(self, failing):
        """always fails, is retried to its limit, and is given up with a reason"""
        subject = failing(99)
        entry = self.settled(subject, "given_up")
        reason = entry["verdict"]["reason"]
        check(reason == "limit_spent", f"it was given up because {reason}")
        check((entry["retries"], subject.retries()) == (2, 2), f"{entry['retries']} retries, {subject.retries()} done")

    def waits(self, failing):
        """is retried after its delay, and no sooner"""
        subject = failing(1, "Late")
        queued = self.settled(subject, "queued")
        check(queued["due_at"] - queued["updated_at"] == DELAY * 1000, f"it waits {queued['due_at'] - queued['updated_at']} ms")
        check(subject.retries() == 0, "it was retried while it waited")
        entry = self.settled(subject, "recovered")
        check(entry["retries"] == subject.retries() == 1, f"it was retried {subject.retries()} times")
        late = subject.retried_at() - queued["due_at"] / 1000
        # The clocks of a queue and of a function differ by a little; a busy machine takes a while.
        check(-1 < late < 30, f"it was retried {late:.1f} s after it was due")
        # A line is in the log once its invocation has ended.
        due = wait_for("line of due", lambda: self.lines_about(subject, "due", outcome="retried"))
        check(len(due) == 1, f"due did it {len(due)} times")

    def is_told_again(self, failing):
        """a repeated event does nothing, while the retry is queued and afterwards"""
        subject = failing(1, "Late")
        self.settled(subject, "queued")
        event = subject.failed()
        for _ in range(3):
            self.deployment.put(event)
        entry = self.settled(subject, "recovered")
        for _ in range(3):
            self.deployment.put(event)

        def handled():
            lines = self.lines_about(subject, subject.function)
            return lines if len([line for line in lines if line["outcome"] != "recovered"]) >= 7 else None

        lines = wait_for("7 handlings of one failure", handled)
        outcomes = [line["outcome"] for line in lines]
        check(outcomes.count("queued") == 1 and not {"retried", "gave_up"} & set(outcomes), f"they came to {outcomes}")
        check(subject.retries() == 1, f"it was retried {subject.retries()} times")
        after = self.deployment.entry(subject.key)
        check(after == entry, f"the entry was changed: {after}")

    def is_found(self, failing):
        """its event is lost, and the next tick of the sweep's own schedule finds it"""
        subject = failing(1, name="unhandled")
        entry = self.settled(subject, "retried", seconds=90)
        check((entry["retries"], subject.retries()) == (1, 1), f"it was retried {subject.retries()} times")
        wait_for("success", lambda: subject.status().upper() == "SUCCEEDED")
        found = wait_for("line of the sweep", lambda: self.lines_about(subject, "sweep", outcome="retried"))
        check(len(found) == 1, f"the sweep did it {len(found)} times")
        check(not self.lines_about(subject, subject.function), "an event announced it after all")

    def is_stopped(self, failing):
        """a person ends it, before or after a retry: that is not undone"""
        first, retried = failing(0, hangs=True), failing(1, hangs=True)
        running = "RUNNING" if first.function == "stepfunctions" else "InProgress"
        first.until(running)
        wait_for("retry", lambda: retried.retries() == 1 and retried.status() == running)
        self.settled(retried, "retried")
        # Into its last state, which waits.
        time.sleep(1)
        for subject in (first, retried):
            subject.stop()
        self.settled(retried, "terminated")
        check((first.retries(), retried.retries()) == (0, 1), "it was retried nevertheless")
        check(self.deployment.entry(first.key) is None, "there is an entry of it")

    def ends_in_a_fail_state(self):
        """an execution that ended in a Fail state is given up"""
        subject = self.machines.start("intake", 99)
        entry = self.settled(subject, "given_up")
        check(entry["verdict"]["reason"] == "fail_state", f"it was given up because {entry['verdict']['reason']}")
        check(subject.retries() == 0, "it was redriven")

    def is_rejected(self):
        """a stage whose approval was rejected is given up"""
        subject = self.pipelines.start(0, approval=True)
        subject.reject()
        entry = self.settled(subject, "given_up")
        check(entry["verdict"]["reason"] == "approval_rejected", f"it was given up because {entry['verdict']['reason']}")
        check(subject.retries() == 0, "it was retried")

    def is_observed(self, failing):
        """observe mode, policy as shipped: the verdict is recorded, and nothing is changed"""
        subject = failing(1, "Rate exceeded (Service: Any; Status Code: 429; Error Code: ThrottlingException)")
        self.settled(subject, "observed")
        check(subject.retries() == 0, "it was retried")
        return subject

    def stays_observed(self, subject):
        """an observed failure is not retried after the switch to act"""
        entry = self.deployment.entry(subject.key)
        check((entry["state"], subject.retries()) == ("observed", 0), f"it is {entry['state']} after the switch")

    def is_unmatched(self, failing):
        """an error that the policy does not know is given up"""
        subject = failing(1, "Novel")
        entry = self.settled(subject, "given_up")
        check(entry["verdict"]["reason"] == "unmatched", f"it was given up because {entry['verdict']['reason']}")
        return subject

    def is_matched(self, failing):
        """a policy with that error, deployed without a build, takes effect"""
        self.settled(failing(1, "Novel"), "recovered")

    def is_another_policy_alone(self, before, after):
        """the functions run the same code, and the policy is a new version of its layer"""
        for name, now in after.items():
            check(now["code"] == before[name]["code"], f"the code of {name} is not the same")
            check(now["layers"] != before[name]["layers"], f"the layer of {name} is the same")


class Report:
    """Runs scenarios, several at a time, and prints the result of each."""

    def __init__(self):
        self.began, self.failed, self.passed = time.monotonic(), 0, 0
        self.pool, self.lock = ThreadPoolExecutor(32), threading.Lock()

    def step(self, said):
        print(f"\n{self.seconds():5.1f} s  {said}", flush=True)

    def seconds(self):
        return time.monotonic() - self.began

    def count(self, passed):
        self.failed, self.passed = self.failed + (not passed), self.passed + passed

    def run(self, scenario, of, *arguments):
        return self.pool.submit(self._run, scenario, of, *arguments)

    def _run(self, scenario, of, *arguments):
        began, problem, answer = time.monotonic(), "", None
        try:
            answer = scenario(*arguments)
        except Failed as failed:
            problem = str(failed)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        with self.lock:
            self.count(not problem)
            result = "FAILED" if problem else "passed"
            print(f"  {result}  {time.monotonic() - began:4.1f} s  {of:11} {scenario.__doc__}", flush=True)
            if problem:
                print(f"          {problem}", flush=True)
        return answer


def deploy_and_show(deployment, report):
    report.step("sam deploy: as shipped, which observes")
    deployment.deploy()
    scenarios = Scenarios(deployment)
    both = {"executions": scenarios.execution, "stages": scenarios.stage}
    observed = {of: report.run(scenarios.is_observed, of, failing) for of, failing in both.items()}
    observed = {of: one.result() for of, one in observed.items()}

    report.step("sam deploy: Mode=act, and a policy of the test's own")
    deployment.deploy(POLICY, Mode="act", Since=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    shown = ["recovers", "spends_its_limit", "is_stopped", "waits", "is_told_again", "is_found"]
    running = [
        report.run(getattr(scenarios, name), of, failing) for name in shown for of, failing in both.items()
    ]
    running.append(report.run(scenarios.ends_in_a_fail_state, "executions"))
    running.append(report.run(scenarios.is_rejected, "stages"))
    running += [report.run(scenarios.is_unmatched, of, failing) for of, failing in both.items()]
    for one in running:
        one.result()

    report.step("sam deploy: another policy, and no build")
    before = {name: deployment.configuration(name) for name in BUILT}
    deployment.deploy(WIDER)
    after = {name: deployment.configuration(name) for name in BUILT}
    running = [report.run(scenarios.is_another_policy_alone, "functions", before, after)]
    running += [report.run(scenarios.is_matched, of, failing) for of, failing in both.items()]
    running += [report.run(scenarios.stays_observed, of, subject) for of, subject in observed.items() if subject]
    for one in running:
        one.result()


def deploy_and_take_away(deployment, report):
    report.step("sam deploy: Mode=act, a policy of the test's own, and a bus for decisions")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    quick = POLICY.replace(f"interval_seconds: {DELAY}", "interval_seconds: 2")
    # A few retries within ten seconds are a storm, and need slots.
    few = {"RedriveExecutionQuota": "40/20", "RetryStageExecutionQuota": "40/20"}
    deployment.deploy(quick, Mode="act", Since=now, DecisionBus="default", **few)
    report.step("without a permission     what its function's log line says, in the metric of an alarm")
    Permissions(deployment, Scenarios(deployment)).try_all(report)


def main(arguments):
    tried = {(): deploy_and_show, ("--permissions",): deploy_and_take_away}.get(tuple(arguments))
    if not tried:
        sys.exit(USAGE)
    report = Report()
    # Stopping this process stops all of its children.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with tempfile.TemporaryDirectory(prefix="redrive-") as home, ExitStack() as exits:
        deployment = Deployment(Path(home), exits)
        deployment.lay_out(os.environ.get("REDRIVE_BUILD", ROOT / ".aws-sam/build"))
        print("ministack, to which is added:")
        for line in deployment.log.read_text().splitlines():
            if line.startswith("added: "):
                print("  " + line.removeprefix("added: "))
        try:
            tried(deployment, report)
        except Failed as failed:
            report.failed += 1
            print(f"FAILED: {failed}")
        if report.failed and (keep := os.environ.get("DEPLOYMENT_LOG")):
            shutil.copy(deployment.log, keep)
    left = own_processes()
    if left:
        report.failed += 1
        print(f"FAILED: processes were left behind: {left}")
    came = f"{report.passed} passed, {report.failed} failed in {report.seconds():.0f} s"
    print(f"\n{came}; {len(left)} processes are left")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
