"""Stages within a budget of time: each gives rows as soon as it has them, and may fail alone."""

from __future__ import annotations

import json
import pathlib
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import jax

Row = dict[str, Any]
GIB = 2**30


class Stages:
    """Runs stages one after another and tells their rows, a JSON object a line."""

    def __init__(self, seconds: float, out: pathlib.Path | None = None, began: float | None = None):
        """A budget of so many seconds from `began` on, by the monotonic clock; from now if None."""
        self.started, self.seconds = time.monotonic() if began is None else began, seconds
        self.file = (out / "rows.jsonl").open("a") if out else None
        self.failed: list[str] = []

    @property
    def spent(self) -> float:
        """Seconds since the first stage could begin."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.seconds - self.spent

    def run(self, name: str, stage: Callable[[], Iterable[Row]], needs: float = 0) -> bool:
        """Runs a stage, unless fewer seconds are left than it needs; returns whether it ended well.

        Args:
            name: of its rows.
            stage: gives rows.
            needs: seconds without which it is not worth beginning.
        """
        if self.left <= needs:
            self.tell(name, {"skipped": f"{max(self.left, 0):.0f} s are left"})
            return False
        try:
            for row in stage():
                self.tell(name, row)
        # Whatever is wrong on a machine never seen before, the next stages are still worth having,
        # and the failure is itself a result.
        except Exception as error:
            lines = traceback.format_exc().strip().splitlines()
            said = str(error).strip().splitlines() or [""]
            why = f"{type(error).__name__}: {said[0][:300]}"
            self.failed.append(name)
            self.tell(name, {"failed": why, "traceback": [line[:200] for line in lines[-8:]]})
            return False
        return True

    def tell(self, stage: str, row: Row) -> None:
        """Prints a row at once."""
        line = json.dumps({"stage": stage, "at": round(self.spent, 1), **row, **_memory()})
        print(line, flush=True)
        if self.file:
            self.file.write(line + "\n")
            self.file.flush()


def _memory() -> Row:
    stats = jax.local_devices()[0].memory_stats() or {}
    peak = stats.get("peak_bytes_in_use")
    return {} if peak is None else {"peak_gib": round(peak / GIB, 2)}


def say(text: str) -> None:
    """A word to whoever watches; rows alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


def timed(call: Callable[[], Any], repeats: int) -> float:
    """Seconds of the fastest of some calls; what compiles must have been called before."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        found.append(time.perf_counter() - start)
    return min(found)
