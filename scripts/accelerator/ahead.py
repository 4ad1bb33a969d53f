"""Compiling ahead: stages tried side by side by further processes, to fill the cache.

A program takes XLA many seconds of one processor; a machine with an accelerator has many.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

FEWEST = 8
"""Processors, below which it is not worth while."""
MOST = 6
"""Processes: each holds a context on the device, and XLA shares out a program's kernels itself."""
GIVEN_UP = 10.0
"""Seconds that a process has to end when told to."""


def shares() -> int:
    """Processes that this machine can feed; 0 if it has too few processors."""
    cores = len(os.sched_getaffinity(0))
    return 0 if cores < FEWEST else min(MOST, cores // 2)


def compile_side_by_side(command: list[str], seconds: float, count: int) -> list[int | None]:
    """Runs a command `count` times at once, with `--share I/COUNT` behind; what it says is dropped.

    Args:
        command: of `on_accelerator.py`; it gets its share of the stages, each tried once.
        seconds: those still at it are stopped then; what they compiled stays in the cache.
        count: processes.

    Returns:
        Exit statuses, None of those that were stopped.
    """
    # The device's memory goes to whoever asks first: none may take it all.
    alone = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    until = time.monotonic() + seconds
    started = [
        subprocess.Popen(
            [sys.executable, *command, "--share", f"{i}/{count}"],
            env=alone, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for i in range(count)
    ]  # fmt: skip
    try:
        return [_ended(one, until) for one in started]
    finally:
        for one in started:
            _stop(one)


def _ended(one: subprocess.Popen, until: float) -> int | None:
    try:
        return one.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None


def _stop(one: subprocess.Popen) -> None:
    if one.poll() is None:
        one.terminate()
        try:
            one.wait(GIVEN_UP)
        except subprocess.TimeoutExpired:
            one.kill()
            one.wait()
