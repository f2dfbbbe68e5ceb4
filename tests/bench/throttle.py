"""Emulates the CPU share of 128 MB on a larger machine: 1.447 ms of CPU in each 20 ms, as Lambda has it."""

import os
import signal
import threading
import time
from pathlib import Path

SLICE, PERIOD = 0.001447, 0.020


def cpu_ms(pid):
    """CPU time of all threads so far, in nanoseconds, from the kernel's clock of that process."""
    return time.clock_gettime((~pid << 3) | 2) * 1000


class Quota:
    """A control group with a quota of the kernel's scheduler, of either version."""

    def __init__(self):
        name = f"redrive-bench-{os.getpid()}"
        micros = f"{SLICE * 1e6:.0f}", f"{PERIOD * 1e6:.0f}"
        first = Path("/sys/fs/cgroup/cpu")
        if first.is_dir():
            self.group = first / name
            self.group.mkdir()
            (self.group / "cpu.cfs_period_us").write_text(micros[1])
            (self.group / "cpu.cfs_quota_us").write_text(micros[0])
        else:
            self.group = Path("/sys/fs/cgroup", name)
            self.group.mkdir()
            (self.group / "cpu.max").write_text(" ".join(micros))

    how, exact = "a quota of the kernel's scheduler", True

    def hold(self, process):
        (self.group / "cgroup.procs").write_text(str(process.pid))

    def close(self):
        # It is empty once the last killed process has left it.
        for _ in range(100):
            try:
                return self.group.rmdir()
            except OSError:
                time.sleep(0.01)


class Stops:
    """Without such a group: stops and continues the process, less exactly than the kernel."""

    how, exact = "SIGSTOP and SIGCONT, without a control group: too coarse for the bounds", False

    def hold(self, process):
        def cycle():
            while process.returncode is None:
                for signalled, seconds in ((signal.SIGCONT, SLICE), (signal.SIGSTOP, PERIOD - SLICE)):
                    try:
                        os.kill(process.pid, signalled)
                    except ProcessLookupError:
                        return
                    time.sleep(seconds)

        threading.Thread(target=cycle, daemon=True).start()

    def close(self):
        pass


def throttle():
    try:
        return Quota()
    except OSError:
        return Stops()
