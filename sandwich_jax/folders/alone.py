"""One process at work in a folder: two would mix what they write."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager

from sandwich_jax.errors import SettingError

try:
    import fcntl
except ImportError:  # no lock where there is none to have
    fcntl = None


@contextmanager
def alone(folder: pathlib.Path, wanted: bool = True) -> Iterator[None]:
    """For the length of a block nobody else is at work in `folder`, which is made if need be.

    The folder itself is locked, so that nothing is left behind: also a killed process lets go.

    Args:
        folder: of a run or a sweep.
        wanted: false for the other processes of a cluster, which share it.

    Raises:
        SettingError: somebody is.
    """
    if fcntl is None or not wanted:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingError(
                f"{folder}: another process is at work there: wait until it ends, or choose"
                " another folder."
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(held)
