"""Several processes, perhaps on several machines, as one JAX runtime."""

from __future__ import annotations

import argparse
import itertools
import pathlib
import socket
import time
from collections.abc import Sequence

import jax
from jax._src import distributed

from sandwich_jax.errors import SettingError
from sandwich_jax.machine import notices, preempt

PATIENCE = 600
"""Seconds that one process waits for another."""
MEETING = 300.0
"""Seconds that a process waits for process 0 to be started."""
_barriers = itertools.count()


def join_if_asked(arguments: Sequence[str]) -> None:
    """Joins the other processes if the command line has `--distributed`.

    Must come before anything touches a device, which pgx does when it is imported.

    Raises:
        SettingError: there is no such cluster; the sentence says what to give.
    """
    if "--distributed" not in arguments:
        return
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--coordinator", nargs="?")
    parser.add_argument("--processes", nargs="?")
    parser.add_argument("--process-id", "--process_id", nargs="?", dest="process_id")
    given, _ = parser.parse_known_args(list(arguments))
    numbers = (given.coordinator, given.processes, given.process_id)
    if any(number is not None for number in numbers):
        numbers = _checked(*numbers)
        _meet(*numbers)
    try:
        jax.distributed.initialize(*numbers, shutdown_timeout_seconds=60)
    # JAX looks for many kinds of cluster, each in its own way.
    except (ValueError, RuntimeError, LookupError, TypeError, OSError) as error:
        raise SettingError(f"--distributed finds no cluster here: {_GIVE}.") from error


_GIVE = (
    "give --coordinator HOST:PORT (of process 0), --processes N and --process-id I (0 to N-1) to"
    " every process"
)


def _checked(
    coordinator: str | None, processes: str | None, process_id: str | None
) -> tuple[str, int, int]:
    if coordinator is None or processes is None or process_id is None:
        raise SettingError(
            f"coordinator, processes and process-id go together: {_GIVE}, or none of the three."
        )
    _, colon, port = coordinator.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise SettingError(f"coordinator is '{coordinator}': it must be HOST:PORT, of process 0.")
    for name, value in (("processes", processes), ("process-id", process_id)):
        if not (value.isascii() and value.isdigit() and len(value) < 7):
            raise SettingError(f"{name} is '{value}': it must be a whole number, at least 0.")
    count, own = int(processes), int(process_id)
    if count < 1:
        raise SettingError("processes is 0: it must be at least 1.")
    if not own < count:
        raise SettingError(f"process-id is {own} of {count} processes: choose 0 to {count - 1}.")
    return coordinator, count, own


def _meet(coordinator: str, processes: int, process_id: int) -> None:
    """Waits until process 0 listens, or for process 0 sees that it can.

    JAX's runtime ends the process where it finds nobody, without a word that a user could read.
    """
    host, _, port = coordinator.rpartition(":")
    address = (host.strip("[]"), int(port))
    if process_id == 0:
        try:
            socket.create_server(("", address[1])).close()
        except OSError as error:
            raise SettingError(
                f"coordinator is {coordinator}, but process 0 cannot listen there"
                f" ({error.strerror or error}): choose a free port."
            ) from error
        return
    end, told = time.monotonic() + MEETING, False
    while True:
        try:
            socket.create_connection(address, timeout=5).close()
            return
        except socket.gaierror as error:
            raise SettingError(f"coordinator is {coordinator}: there is no such host.") from error
        except OSError as error:
            if time.monotonic() > end:
                raise SettingError(
                    f"coordinator is {coordinator}, but nobody answers there"
                    f" ({error.strerror or error}): start process 0 of {processes} there."
                ) from error
        if not told:
            notices.tell(f"process {process_id} waits for process 0 at {coordinator}.")
            told = True
        time.sleep(0.5)


def keep_compiled() -> None:
    """Lets this process keep what it compiles for the next start, whichever process it is.

    JAX writes its compile cache in process 0 alone. On CPU a program's key has the number of the
    device in it, so that any other process finds nothing there and compiles all of it at every
    start. Only for programs of a process's own: two processes must not write the same file.
    """
    if jax.process_index() > 0 and jax.default_backend() == "cpu":
        distributed.global_state.process_id = 0  # read by the cache, once devices are there


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
