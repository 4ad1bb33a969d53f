"""Several processes, perhaps on several machines, as one JAX runtime."""

from __future__ import annotations

import argparse
import itertools
import pathlib
import sys
from collections.abc import Sequence

import jax

from sandwich_jax.outside import preempt
from sandwich_jax.types import SettingError

PATIENCE = 600
"""Seconds that one process waits for another."""
_barriers = itertools.count()


def join_if_asked(arguments: Sequence[str]) -> None:
    """Joins the other processes if the command line has `--distributed`.

    Must come before anything touches a device, which pgx does when it is imported.
    """
    if "--distributed" not in arguments:
        return
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--coordinator")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--process-id", "--process_id", type=int, dest="process_id")
    given, _ = parser.parse_known_args(list(arguments))
    numbers = (given.coordinator, given.processes, given.process_id)
    if any(number is not None for number in numbers):
        _check(*numbers)
    jax.distributed.initialize(*numbers, shutdown_timeout_seconds=60)


def _check(coordinator: str | None, processes: int | None, process_id: int | None) -> None:
    if coordinator is None or processes is None or process_id is None:
        _refuse("coordinator, processes and process-id go together: give all three or none.")
    elif not 0 <= process_id < processes:
        _refuse(
            f"process-id is {process_id} of {processes} processes: choose 0 to {processes - 1}."
        )


def _refuse(why: str) -> None:
    print(f"sandwich-jax: {why}", file=sys.stderr)
    sys.exit(2)


def linger() -> float:
    """Seconds by which this process should outlast SIGTERM: the others die when process 0 does."""
    return preempt.GRACE + 1 if jax.process_count() > 1 and jax.process_index() == 0 else 0.0


def check_shared(path: pathlib.Path) -> None:
    """Raises SettingError where a file that process 0 wrote is not to be seen."""
    if not path.is_file():
        raise SettingError(
            f"{path.parent.absolute()}: process {jax.process_index()} does not see what process 0"
            " wrote there; all processes need one shared folder."
        )


def barrier(name: str) -> None:
    """Returns when every process has come here, as often as this one.

    Through the coordinator, since devices give up on one another after half a minute (on CPU).
    """
    if jax.process_count() == 1:
        return
    from orbax.checkpoint import multihost

    wait = multihost.get_barrier_sync_fn()
    wait(key=f"sandwich_jax {name} {next(_barriers)}", timeout_ms=1000 * PATIENCE)
