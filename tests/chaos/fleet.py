"""Lambda locally: processes of the four functions, and the delivery and redelivery of their events."""

import heapq
import itertools
import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait

from emulator import die_with_parent
from lambda_runtime import RuntimeApi

# The number of processes, and the seconds of an invocation, as in template.yaml.
PROCESSES = {"stepfunctions": (3, 30), "codepipeline": (3, 60), "due": (2, 90), "sweep": (1, 90)}
# The seconds before a failed event is delivered again. Lambda waits one minute and then two.
WAITS = [1, 2]
# Once a minute, in an account.
TICK = 2
# The seconds until SQS shows an undeleted message again: 540 in an account.
INVISIBLE = 8


class Process:
    """One execution environment. It handles one event at a time, and is started again after its death."""

    def __init__(self, fleet, function, number):
        self.fleet, self.function = fleet, function
        self.name = f"{function}-{number}"
        self.seconds = PROCESSES[function][1]
        self.process = self.api = None
        self.killed = False

    def start(self):
        self.fleet.counts["starts"] += 1
        self.killed = False
        ahead = self.fleet.ahead + random.randint(-self.fleet.skew, self.fleet.skew)
        self.api = RuntimeApi(seconds=self.seconds, ahead=ahead)
        environment = {
            **self.fleet.environment,
            "AWS_SESSION_TOKEN": self.name,
            "LD_PRELOAD": str(self.fleet.clock),
            "CLOCK_AHEAD_SECONDS": str(ahead),
        }
        with open(self.fleet.home / f"{self.name}.log", "ab") as log:
            bootstrap = self.fleet.bootstraps[self.function]
            self.process = self.api.start(bootstrap, environment, stdout=log, stderr=log, preexec_fn=die_with_parent)

    def invoke(self, event):
        """The answer, or None if the process died or took too long."""
        if not self.process:
            self.start()
        self.fleet.counts[f"invocations of {self.function}"] += 1
        self.api.events.put(event)
        until = time.monotonic() + self.seconds
        while not self.api.answered.acquire(timeout=0.05):
            died, late = self.process.poll() is not None, time.monotonic() > until
            if died or late:
                how = "out of time" if late else "killed" if self.killed else "ended by themselves"
                self.fleet.counts[f"invocations {how}"] += 1
                self.stop()
                return None
        return self.api.answers[-1]

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.api.close()
            self.process = None


class Fleet:
    """All processes, with the events and messages in flight. `fates` chooses the fate of a message."""

    def __init__(self, bootstraps, environment, clock, home, sqs, fates):
        self.bootstraps, self.clock, self.home, self.sqs, self.fates = bootstraps, clock, home, sqs, fates
        self.dead = sqs.create_queue(QueueName=f"{home.name[:70]}-dead")["QueueUrl"]
        dead = sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": "5"})
        self.queue = sqs.create_queue(QueueName=home.name[:70], Attributes={"RedrivePolicy": redrive})["QueueUrl"]
        self.environment = {**environment, "REDRIVE_QUEUE_URL": self.queue}
        # Maximum clock skew of a process in seconds, so that two clocks are at most five minutes apart.
        self.skew = 150
        # Whether sweeps wait for their minute.
        self.hurry = False
        self.ahead, self.counts, self.on_its_way = 0, Counter(), {"stepfunctions": [], "codepipeline": []}
        self.lock, self.order, self.running = threading.Lock(), itertools.count(), False
        self.busy, self.quiet_rounds, self.workers = 0, 0, []
        self.processes = [Process(self, name, n) for name, (most, _) in PROCESSES.items() for n in range(most)]
        # Its threads stay: a process dies with the thread that started it.
        self.pool = ThreadPoolExecutor(len(self.processes))

    def kill(self, name):
        """Kills a process during its work."""
        process = next(one for one in self.processes if one.name == name)
        if running := process.process:
            process.killed = True
            running.kill()

    def deliver(self, function, event, after=0.0, tries=0):
        with self.lock:
            entry = (time.monotonic() + after, next(self.order), event, tries)
            heapq.heappush(self.on_its_way[function], entry)

    def run(self):
        self.running, self.quiet_rounds = True, 0
        self.workers = [self.pool.submit(self._work, process) for process in self.processes]

    def pause(self):
        """Every invocation ends, and every process."""
        self.running = False
        # An error of a worker itself is raised here.
        for worker in wait(self.workers).done:
            worker.result()

    def has_work(self):
        """Whether an event is in flight, or being handled."""
        with self.lock:
            return self.busy or any(self.on_its_way.values())

    def idle(self):
        """Whether no work is left: a whole sweep since the last event found nothing."""
        return not self.has_work() and self.quiet_rounds >= 2

    def _work(self, process):
        step = {"due": self._messages, "sweep": self._tick}.get(process.function, self._event)
        try:
            while self.running:
                if not step(process):
                    time.sleep(0.02)
        finally:
            process.stop()

    def _event(self, process):
        with self.lock:
            waiting = self.on_its_way[process.function]
            if not waiting or waiting[0][0] > time.monotonic():
                return False
            _, _, event, tries = heapq.heappop(waiting)
            self.busy += 1
        answer = process.invoke(event)
        if answer is None or "errorType" in answer:
            if tries < len(WAITS):
                self.counts["events that came again"] += 1
                self.deliver(process.function, event, WAITS[tries], tries + 1)
            else:
                self.counts["events given up by Lambda"] += 1
        with self.lock:
            self.busy -= 1
            self.quiet_rounds = 0
        return True

    def _messages(self, process):
        """Handles a batch as an event source mapping does."""
        found = self.sqs.receive_message(
            QueueUrl=self.queue,
            MaxNumberOfMessages=10,
            VisibilityTimeout=INVISIBLE,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        ).get("Messages", [])
        batch = []
        for message in found:
            fate = self.fates(message["Body"], message["Attributes"]["ApproximateReceiveCount"])
            self.counts[f"messages {fate}"] += 1
            if fate == "lost":
                self._delete(message)
                continue
            record = {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {"ApproximateReceiveCount": message["Attributes"]["ApproximateReceiveCount"]},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            batch.extend([record, {**record, "messageId": f"{record['messageId']}-again"}][: 1 + (fate == "doubled")])
        if not batch:
            return bool(found)
        answer = process.invoke({"Records": batch})
        if answer is not None and "batchItemFailures" in answer:
            failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
            self.counts["messages that failed"] += len(failed)
            for message in found:
                if not failed & {message["MessageId"], f"{message['MessageId']}-again"}:
                    self._delete(message)
        self.quiet_rounds = 0
        return True

    def _delete(self, message):
        try:
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        except self.sqs.exceptions.ReceiptHandleIsInvalid:
            # It took longer than the visibility time-out, and is in the dead-letter queue. SQS ignores that; moto does not.
            self.counts["messages deleted too late"] += 1

    def _tick(self, process):
        answer = process.invoke({})
        if answer and "discovery" in answer:
            search = answer["discovery"]
            done = [answer[name] for name in ("requeued", "taken_over", "conflicts", "errors", "more")]
            if any([*done, search["outcomes"], search["errors"]]):
                self.quiet_rounds = 0
            elif not search["more"]:
                self.quiet_rounds += 1
        else:
            self.quiet_rounds = 0
        until = time.monotonic() + TICK
        while self.running and time.monotonic() < until and not self.hurry:
            time.sleep(0.05)
        return True

    def given_up_by_sqs(self):
        """Messages in the dead-letter queue."""
        name = "ApproximateNumberOfMessages"
        return int(self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=[name])["Attributes"][name])

    def wide_lines(self):
        """The wide lines of the functions, by outcome."""
        lines = Counter()
        for log in self.home.glob("*.log"):
            for line in log.read_text(errors="replace").splitlines():
                try:
                    wide = json.loads(line)
                except ValueError:
                    # A process that was killed left half a line.
                    continue
                if "function" in wide:
                    lines[wide.get("outcome") or ("error" if "error" in wide else "tick")] += 1
        return lines


def fate(seed, weights, *about):
    """Draws a fate by weight. The same thing gets the same fate."""
    drawn = random.Random(" ".join(map(str, (seed, *about))))
    return drawn.choices(list(weights), list(weights.values()))[0], drawn
