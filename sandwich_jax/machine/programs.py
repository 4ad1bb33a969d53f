"""Room for compiled programs.

Every program that XLA compiles for the CPU maps pieces of memory, some of them hundreds. Linux
gives a process 65,530 (`vm.max_map_count`), and XLA aborts when they run out: a process that
compiles many programs, as a sweep over protocols or a test suite does, has to let old ones go.
"""

from __future__ import annotations

import pathlib

import jax

MOST = 15_000
"""Pieces from which on old programs are let go; what is compiled next must fit beside them."""

MAPS = pathlib.Path("/proc/self/maps")


def make_room(most: int = MOST) -> bool:
    """Forgets compiled programs if this process maps more than `most` pieces; says whether.

    What is needed again is traced again, and comes from the persistent compile cache. Systems
    without /proc set no such limit.
    """
    if not MAPS.exists() or MAPS.read_bytes().count(b"\n") <= most:
        return False
    jax.clear_caches()
    return True
