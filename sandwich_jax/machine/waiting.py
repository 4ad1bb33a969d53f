"""How long compiled programs have waited for what answers them from outside, such as an engine."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator

_lock = threading.Lock()
_waited: defaultdict[str, float] = defaultdict(float)


@contextlib.contextmanager
def on(name: str) -> Iterator[None]:
    """Counts the time that the block takes; blocks of one name must not overlap."""
    start = time.monotonic()
    try:
        yield
    finally:
        with _lock:
            _waited[name] += time.monotonic() - start


def seconds() -> dict[str, float]:
    """Seconds of this process so far, by name."""
    with _lock:
        return dict(_waited)


class Shares:
    """Of the time since this was made, how much went into waiting."""

    def __init__(self) -> None:
        self.start, self.before = time.monotonic(), seconds()

    def __str__(self) -> str:
        """Such as "engine 63%"; nothing where nothing was waited for."""
        total = time.monotonic() - self.start
        waited = {name: s - self.before.get(name, 0.0) for name, s in seconds().items()}
        return ", ".join(f"{name} {s / total:.0%}" for name, s in waited.items() if s and total)
