"""Ctrl-C in a command that measures: it stops soon, and what is known by then is told."""

from __future__ import annotations

import pathlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

CALLED_BACK = ("_xla_gc_callback",)
"""Functions of JAX's in which an exception would be lost, with a traceback on the screen."""


class Watch:
    """Whether Ctrl-C has come."""

    def __init__(self) -> None:
        self.asked = False

    def pause(self) -> None:
        """Raises KeyboardInterrupt if it has."""
        if self.asked:
            raise KeyboardInterrupt


@contextmanager
def watch() -> Iterator[Watch]:
    """For the length of a block, Ctrl-C is kept in mind beside what it does anyway.

    An exception in a function that JAX calls back, as it does while it compiles, is lost.
    """
    found, before = Watch(), signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not (main and callable(before)):  # nobody else's, or Ctrl-C is ignored
        yield found
        return

    def note(number: int, frame: FrameType | None) -> None:
        found.asked = True
        if frame is None or frame.f_code.co_name not in CALLED_BACK:
            before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, before)


def stopping(progress: Callable[..., None], watch: Watch) -> Callable[..., None]:
    """The same progress, which also stops where Ctrl-C was lost in a function of JAX's."""

    def told(*arguments: Any) -> None:
        progress(*arguments)
        watch.pause()

    return told


def leave(measured: bool, out: pathlib.Path | None) -> NoReturn:
    """Raises KeyboardInterrupt with a sentence about what is kept of a measurement."""
    if not measured:
        raise KeyboardInterrupt("interrupted before anything was measured.") from None
    kept = f" and kept in {out}" if out is not None else "; it is not kept, as there was no --out"
    raise KeyboardInterrupt(f"interrupted; what was measured by then is shown{kept}.") from None
