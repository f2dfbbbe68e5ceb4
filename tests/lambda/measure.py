"""The size of the functions, and the time until they poll for their first event.

    sam build
    REDRIVE_BUILD=.aws-sam/build pytest -s tests/lambda/measure.py

Absolute times are of the machine; the no-op program beside them, `true`, says what starting anything costs here.
"""

import io
import os
import statistics
import subprocess
import time
import zipfile

from lambda_runtime import RuntimeApi
from subjects import FAIL, RUN, SUCCEED, Orders

STARTS = 30
EVENTS = 200
POLICY = "{ version: 1, retry: { automatic: { id: any, limit: 2, backoff: { interval_seconds: 0 } } } }"


def test_measure(account, bootstraps):
    environment = account.environment(POLICY)
    starts = {name: [] for name in bootstraps}
    nothing = []
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run(["true"])
        nothing.append(time.perf_counter() - began)
        for name, bootstrap in bootstraps.items():
            starts[name].append(RuntimeApi().run(bootstrap, environment)[0])

    orders = Orders(account.server)
    account.server.wind(2 * RUN)
    for _ in range(EVENTS):
        orders.start(FAIL, SUCCEED)
    account.server.wind(RUN)
    failed = [one for one in account.server.events() if one["detail"]["status"] == "FAILED"]
    _, peak = RuntimeApi(failed).run(bootstraps["stepfunctions"], environment)
    assert account.server.calls("RedriveExecution") == EVENTS

    print(f"\nstarting `true`: {statistics.median(nothing) * 1000:.1f} ms")
    print("| function | bootstrap KB | zip KB | start to first poll, median of", STARTS, "ms |")
    print("| --- | --- | --- | --- |")
    for name, bootstrap in bootstraps.items():
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(bootstrap, "bootstrap")
        size, small = os.path.getsize(bootstrap) // 1024, len(packed.getvalue()) // 1024
        print(f"| {name} | {size:,} | {small:,} | {statistics.median(starts[name]) * 1000:.1f} |")
    print(f"peak memory of stepfunctions after {EVENTS} redrives: {peak:.1f} MB")
