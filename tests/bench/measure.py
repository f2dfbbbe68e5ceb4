"""The costs of the functions beside those of alternatives. `tests/bench/run` prepares everything.

Each round starts every contender again, one after another, so that other load on the machine affects all alike.
All of it runs on one CPU, as Lambda gives a function one or less up to 1,769 MB: to wake a server that sleeps on
another virtual CPU costs the caller tens of microseconds, which are the machine's and no function's.
Absolute times are of the machine; ratios and CPU carry over.
"""

import io
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from argparse import ArgumentParser
from pathlib import Path

import botocore
import trustme
from stamped import Servers
from throttle import cpu_ms, throttle

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
FUNCTIONS = {"stepfunctions": "StepFunctions", "codepipeline": "CodePipeline", "due": "Due", "sweep": "Sweep"}
OURS, NOOP, PYTHON, NODE = "redrive", "no-op in Rust", "Python, boto3", "Node, SDK v3"
WARM, SETTLING = 120, 20

# The policy as shipped, and before it a rule for the machine of this run, which is retried at once.
RULE = """policies:
  - name: bench
    match: { state_machine: bench }
    retry:
      automatic:
        - { id: at-once, error: "*", limit: 9, backoff: { interval_seconds: 0 } }
"""


def event(number):
    """The event of a new failure of a new execution."""
    now = time.time()
    name = f"run-{os.getpid()}-{number}"
    arn = f"arn:aws:states:eu-west-1:111122223333:execution:bench:{name}"
    return {
        "version": "0",
        "id": "54e66454-a922-4a7d-be21-b31de4d3921a",
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": "111122223333",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "region": "eu-west-1",
        "resources": [arn],
        "detail": {
            "executionArn": arn,
            "stateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:bench",
            "name": name,
            "status": "FAILED",
            "startDate": int(now * 1000) - 98_133,
            "stopDate": int(now * 1000),
            "input": '{"batch":"eu-20261120","count":1800}',
            "output": None,
            "stateMachineVersionArn": None,
            "stateMachineAliasArn": None,
            "redriveCount": 0,
            "redriveDate": None,
            "redriveStatus": "REDRIVABLE",
            "redriveStatusReason": None,
            "inputDetails": {"included": True},
            "outputDetails": None,
            "error": "Lambda.TooManyRequestsException",
            "cause": "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException; "
            "Request ID: 724a67f6-6518-482b-9e20-01591007e910; Proxy: null)",
        },
    }


def peak_mb(process):
    status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def zip_kb(*files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in files:
            archive.write(file, file.name)
    return len(packed.getvalue()) / 1024


class Figures:
    """The measurements of one contender, by scheme."""

    def __init__(self):
        self.lists, self.calls = {}, {}

    def add(self, name, *values):
        self.lists.setdefault(name, []).extend(values)

    def __getitem__(self, name):
        return statistics.median(self.lists[name])

    def p99(self, name):
        return statistics.quantiles(self.lists[name], n=100)[98]


class Bench:
    def __init__(self, servers, environment, throttled):
        self.servers, self.environment, self.throttled, self.events = servers, environment, throttled, 0

    def start(self, command, scheme):
        """A process, and its start time. Its output is discarded."""
        self.servers.begin()
        environment = {**self.environment, **self.servers.environment(scheme)}
        began = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False)
        return process, began

    def event(self):
        self.events += 1
        return self.servers.hand_out(event(self.events))

    def run(self, command, scheme, figures):
        """Measures a process from its start over its first event to a hundred more."""
        process, began = self.start(command, scheme)
        try:
            figures.add("start", (self.servers.poll() - began) * 1000)
            before = cpu_ms(process.pid)
            figures.add("start cpu", before)
            took, figures.calls["first"] = self.event()
            self.servers.poll()
            figures.add("first", took * 1000)
            figures.add("first cpu", cpu_ms(process.pid) - before)
            for number in range(WARM):
                if number == SETTLING:
                    before = cpu_ms(process.pid)
                took, figures.calls["warm"] = self.event()
                self.servers.poll()
                if number >= SETTLING:
                    figures.add("warm", took * 1000)
            figures.add("warm cpu", (cpu_ms(process.pid) - before) / (WARM - SETTLING))
            figures.add("rss", peak_mb(process))
        finally:
            process.kill()
            process.wait()

    def run_throttled(self, command, scheme, figures):
        """Measures a process with all CPU until its first poll, and then with the CPU of 128 MB."""
        process, _ = self.start(command, scheme)
        try:
            self.servers.poll()
            self.throttled.hold(process)
            time.sleep(0.05)
            figures.add("throttled", self.event()[0] * 1000)
            # Only after its next poll, which would otherwise count as the first poll of the next process.
            self.servers.poll()
        finally:
            process.kill()
            process.wait()

    def only_start(self, command, figures):
        process, began = self.start(command, "https")
        try:
            figures.add("start", (self.servers.poll() - began) * 1000)
            figures.add("rss", peak_mb(process))
        finally:
            process.kill()
            process.wait()


ROWS = [
    ("start to first `/next`, ms", "start", "{:.1f}"),
    ("CPU of the start, ms", "start cpu", "{:.1f}"),
    ("first event, ms", "first", "{:.1f}"),
    ("CPU of the first event, ms", "first cpu", "{:.1f}"),
    ("first event at 128 MB, ms", "throttled", "{:.1f}"),
    ("warm event, median ms", "warm", "{:.2f}"),
    ("warm event, 99th percentile ms", "warm p99", "{:.2f}"),
    ("CPU of a warm event, ms", "warm cpu", "{:.2f}"),
    ("peak memory, MB", "rss", "{:.1f}"),
    ("zip, KB", "zip", "{:,.0f}"),
]


def table(found, title):
    """A Markdown table: a column for each contender, and the ratios to two of them."""
    lines = [f"| {title} | {' | '.join(found)} | of Python's | of the no-op's |", "| --- |" + " ---: |" * (len(found) + 2)]
    for label, name, form in ROWS:
        if name not in found[OURS]:
            continue
        ratios = [f"{found[OURS][name] / found[other][name]:.3g}" for other in (PYTHON, NOOP)]
        if name == "zip":
            ratios[0] = ""  # boto3 comes with Lambda's runtime and weighs nothing there.
        lines.append(f"| {label} | {' | '.join(form.format(one[name]) for one in found.values())} | {' | '.join(ratios)} |")
    calls = [f"{one['calls'][0]}, then {one['calls'][1]}" for one in found.values()]
    lines.append(f"| calls of AWS, first event and then | {' | '.join(calls)} | | |")
    return "\n".join(lines)


def demands(found, zips, exact):
    """The bounds: the text, the figure, and whether it holds. At 128 MB only where that was exact."""
    ours, noop, python = found[OURS], found[NOOP], found[PYTHON]

    def most(words, figure, limit):
        return words, figure, f"at most {limit:,g}", figure <= limit

    def least(words, figure, limit):
        return words, figure, f"at least {limit:g}", figure >= limit

    throttled = (
        least("first event at 128 MB, times quicker than Python", python["throttled"] / ours["throttled"], 20),
        most("first event at 128 MB, ms", ours["throttled"], 40),
    )
    return [
        most("start to first /next, of the no-op's", ours["start"] / noop["start"], 2.5),
        least("start to first /next, times quicker than Python", python["start"] / ours["start"], 50),
        *(throttled if exact else ()),
        most("CPU of a warm event, of Python's", ours["warm cpu"] / python["warm cpu"], 0.3),
        most("peak memory, MB", ours["rss"], 10),
        *(most(f"zip of {name}, KB", zip, 3 * 1024) for name, zip in zips.items()),
    ]


def main():
    arguments = ArgumentParser(description=__doc__)
    arguments.add_argument("--build", type=Path, required=True, help="what `sam build` made")
    arguments.add_argument("--noop", type=Path, required=True, help="the program of tests/bench/noop")
    arguments.add_argument("--node", type=Path, required=True, help="the bundle of tests/bench/node")
    arguments.add_argument("--rounds", type=int, default=15, help="how often each is started (15)")
    arguments.add_argument("--write", type=Path, required=True, help="where the table goes")
    chosen = arguments.parse_args()

    bootstraps = {name: chosen.build.resolve() / f"{made}Function" / "bootstrap" for name, made in FUNCTIONS.items()}
    commands = {
        OURS: [bootstraps["stepfunctions"]],
        NOOP: [chosen.noop.resolve()],
        PYTHON: [sys.executable, "-m", "awslambdaric", "function.handler"],
        NODE: ["node", chosen.node.resolve()],
    }
    zips = {name: zip_kb(bootstrap) for name, bootstrap in bootstraps.items()}
    packed = {
        OURS: zips["stepfunctions"],
        NOOP: zip_kb(chosen.noop),
        PYTHON: zip_kb(HERE / "python/function.py"),
        NODE: zip_kb(chosen.node),
    }

    # Child processes stay there too.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as home:
        home = Path(home)
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        authority.cert_pem.write_to_path(home / "authority.pem")
        # The roots that each trusts when deployed, and the authority of this run.
        trusted = {"ours": REPOSITORY / "infra/roots.pem", "python": Path(botocore.__file__).with_name("cacert.pem")}
        for name, roots in trusted.items():
            (home / f"{name}.pem").write_bytes(roots.read_bytes() + b"\n" + authority.cert_pem.bytes())
        policy = home / "policy.yaml"
        policy.write_text((REPOSITORY / "infra/policy.yaml").read_text().replace("policies:\n", RULE, 1))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_SESSION_TOKEN": "any",
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "REDRIVE_MODE": "act",
            "REDRIVE_LEDGER": "redrive",
            "REDRIVE_QUEUE_URL": "https://127.0.0.1/111122223333/redrive",
            "REDRIVE_ACCOUNT": "111122223333",
            "REDRIVE_POLICY": str(policy),
            "PYTHONPATH": str(HERE / "python"),
            "SSL_CERT_FILE": str(home / "ours.pem"),
            "AWS_CA_BUNDLE": str(home / "python.pem"),
            "NODE_EXTRA_CA_CERTS": str(home / "authority.pem"),
        }
        throttled = throttle()
        bench = Bench(Servers(context), environment, throttled)
        schemes = {scheme: {name: Figures() for name in commands} for scheme in ("https", "http")}
        starts = {name: Figures() for name in bootstraps}
        try:
            for done in range(chosen.rounds):
                for scheme, figures in schemes.items():
                    for name, command in commands.items():
                        bench.run(command, scheme, figures[name])
                        bench.run_throttled(command, scheme, figures[name])
                for name, bootstrap in bootstraps.items():
                    bench.only_start([bootstrap], starts[name])
                print(f"\r{done + 1} of {chosen.rounds} rounds", end="", file=sys.stderr, flush=True)
        finally:
            throttled.close()
    print(file=sys.stderr)

    found = {scheme: {name: summed(one, packed[name]) for name, one in figures.items()} for scheme, figures in schemes.items()}
    names = schemes["https"][OURS].calls
    checks = demands(found["https"], zips, throttled.exact)
    lines = [
        table(found["https"], "over TLS"),
        "",
        table(found["http"], "over plain HTTP"),
        "",
        "| function | start to first `/next`, ms | memory then, MB | zip, KB |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {name} | {one['start']:.1f} | {one['rss']:.1f} | {zips[name]:,.0f} |" for name, one in starts.items()),
        "",
        f"redrive called at its first event {', '.join(names['first'])}; then {', '.join(names['warm'])}.",
        f"Medians of {chosen.rounds} starts each, and of {chosen.rounds * (WARM - SETTLING):,} warm events. 128 MB: {throttled.how}.",
        "",
        "| must hold, over TLS | found | | |",
        "| --- | ---: | --- | --- |",
        *(f"| {words} | {figure:,.2f} | {limit} | {'holds' if holds else 'MISSED'} |" for words, figure, limit, holds in checks),
    ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    chosen.write.write_text(text)
    missed = [words for words, _, _, holds in checks if not holds]
    for words in missed:
        print(f"FAILED: {words}", file=sys.stderr)
    return 1 if missed else 0


def summed(figures, packed):
    medians = {name: figures[name] for name in figures.lists}
    calls = tuple(len(figures.calls[when]) for when in ("first", "warm"))
    return {**medians, "warm p99": figures.p99("warm"), "zip": packed, "calls": calls}


if __name__ == "__main__":
    sys.exit(main())
