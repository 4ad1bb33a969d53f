"""One UCI engine process: found, started, and never left behind.

Every engine leads a process group of its own, which is killed as a whole when its pool closes,
when Python ends, and on SIGTERM and SIGHUP. Nothing can be done after SIGKILL; engines then read
the end of their input and leave.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import threading

from sandwich_jax.types import SettingError

VARIABLE = "SANDWICH_STOCKFISH"
DEBIAN_PATH = "/usr/games/stockfish"


class StartError(SettingError):
    """An engine cannot be started or does not speak UCI."""


def find(path: str | None = None) -> str:
    """The engine to start: `path`, $SANDWICH_STOCKFISH, on PATH, or where Debian puts it.

    Raises:
        SettingError: there is none.
    """
    wanted = path or os.environ.get(VARIABLE)
    if wanted:
        found = shutil.which(wanted)
        if found is None:
            raise SettingError(f"{wanted}: no such engine, or not executable.")
        return found
    found = shutil.which("stockfish") or shutil.which(DEBIAN_PATH)
    if found is None:
        raise SettingError(
            "No Stockfish found: install it (Debian: apt-get install stockfish), put it on PATH,"
            f" or set {VARIABLE} to its path."
        )
    return found


def start(path: str) -> subprocess.Popen[bytes]:
    """Starts an engine with pipes to speak through.

    Raises:
        StartError: it cannot be started.
    """
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            [path], bufsize=0, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise StartError(f"{path} cannot be started ({error}).") from error
    _groups.add(process.pid)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kills an engine and waits for its end."""
    kill(process.pid)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


_groups: set[int] = set()
_DEADLY = (signal.SIGTERM, signal.SIGHUP)


def kill(group: int) -> None:
    """Kills an engine and whatever it started: each leads a process group of its own."""
    _groups.discard(group)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


@atexit.register
def _kill_all() -> None:
    for group in list(_groups):
        kill(group)


def _die(number: int, frame: object) -> None:
    _kill_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def watch_signals() -> None:
    """Python dies of these signals without atexit; a handler that someone else set is left."""
    if threading.current_thread() is threading.main_thread():
        for number in _DEADLY:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _die)
