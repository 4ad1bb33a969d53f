"""SIGTERM, as clusters send it before they take a machine away: stop soon, go on later."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

EXIT_CODE = 75
"""Of a job that was stopped and should be run again (EX_TEMPFAIL)."""
GRACE = 8.0
"""Seconds for the step at hand; after these it is dropped, to be done again."""
SENTENCE = "sandwich-jax: stopped by SIGTERM; run the same command again to go on."


class Stopped(Exception):
    """SIGTERM came, and everything is saved."""


class Watch:
    """Whether SIGTERM has come."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def pause(self) -> None:
        """Raises Stopped if it has."""
        if self.asked.is_set():
            raise Stopped


def leave(linger: float = 0.0) -> NoReturn:
    """Ends the process, without waiting for other processes of a cluster to come to their end.

    Args:
        linger: seconds to wait before, for one that others could not do without.
    """
    time.sleep(linger)
    print(SENTENCE, file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(EXIT_CODE)


@contextmanager
def watch(linger: float = 0.0) -> Iterator[Watch]:
    """For the length of a block, SIGTERM is kept in mind; `GRACE` seconds later it exits.

    By a thread, since Python's own handlers wait for a computation to return. Whatever is cut off
    must be safe to cut off: files here are written aside and renamed.
    """
    found, (reader, writer) = Watch(), socket.socketpair()
    writer.setblocking(False)

    def wait() -> None:
        while signals := reader.recv(16):
            if signal.SIGTERM in signals:
                found.asked.set()
                if not done.wait(GRACE):
                    leave(linger)
                return

    done = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=wait, daemon=True).start()
    try:
        yield found
    finally:
        done.set()
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, before)
        writer.close()


@contextmanager
def held() -> Iterator[None]:
    """For the length of a block, Ctrl-C waits: for what is noisy or unsafe to cut off."""
    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
        yield
        return
    came = threading.Event()
    before = signal.signal(signal.SIGINT, lambda number, frame: came.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
    if came.is_set():
        signal.raise_signal(signal.SIGINT)
