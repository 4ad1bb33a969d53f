"""`on_accelerator.py measure`: parity and speed, in an order of worth."""

from __future__ import annotations

import dataclasses
import functools
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from typing import Any

import jax

from scripts.accelerator import parity, speed
from scripts.accelerator.stages import GIB, Row, Stages

Stage = Callable[[], Iterable[Row]]

TOY = (
    parity.Sizes(games=32, plies=24, lanes=4, game_plies=6),
    speed.Sizes(
        board=(8,), more_board=(16,), lanes=(("tiny", 4),), more_lanes=(("tiny", 8),), batches=(8,),
        more_batches=(16,), size="tiny", plies=4, updates=2, convolutions=(4,), members=(1, 2),
        more_members=(3,), member_lanes=4, repeats=1, seconds=0.05,
    ),
)  # fmt: skip
"""Sizes for a CPU: they tell that every stage works, and no speed."""


def machine() -> Iterator[Row]:
    """Versions and devices."""
    device = jax.devices()[0]
    stats = device.memory_stats() or {}
    names = ("jax", "jaxlib", "numpy", "flax", "optax", "pgx", "mctx")
    yield {
        "device": device.device_kind,
        "devices": len(jax.devices()),
        "backend": jax.default_backend(),
        "platform": getattr(device.client, "platform_version", "").split("\n")[0],
        "memory_gib": round(stats.get("bytes_limit", 0) / GIB, 1) or None,
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "versions": {name: _version(name) for name in names},
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # a source tree on the path
        return None


def stages_of(same: parity.Sizes, sizes: speed.Sizes) -> list[tuple[str, Stage]]:
    """Every stage by name, those worth most first."""
    alone: list[float] = []
    begin = functools.partial
    found: list[tuple[str, Stage]] = []

    def add(name: str, stage: Callable[..., Iterable[Row]], *about: Any) -> None:
        found.append((name, begin(stage, *about)))

    for batch in sizes.board[:1]:
        add("board", speed.board, (batch,), sizes, True)
    add("parity", parity.chess, same)
    for size, lanes in sizes.lanes:
        add("self-play", speed.self_play, size, lanes, sizes)
    for batch in sizes.batches:
        add("updates", speed.updates, sizes.size, batch, sizes)
    add("parity", parity.logits, same)
    for count in sizes.members:
        add("members", speed.members, count, alone, sizes)
    add("parity", parity.identities, same)
    for batch in sizes.convolutions:
        add("convolutions", speed.convolutions, batch, sizes)
    for batch in sizes.board[1:]:
        add("board", speed.board, (batch,), sizes, True)
    first, *others = sizes.more_lanes
    add("self-play", speed.self_play, *first, sizes)
    for batch in sizes.more_board:
        add("board", speed.board, (batch,), sizes, False)
    for batch in sizes.more_batches:
        add("updates", speed.updates, sizes.size, batch, sizes)
    for count in sizes.more_members:
        add("members", speed.members, count, alone, sizes)
    for size, lanes in others:
        add("self-play", speed.self_play, size, lanes, sizes)
    return found


def run(stages: Stages, toy: bool, share: tuple[int, int] | None = None) -> None:
    """Every stage that the time allows, those worth most first.

    Args:
        stages: runs them.
        toy: at sizes for a CPU.
        share: (i, n) tries every n-th stage from the i-th on, as shortly as can be: what it
            compiles is then in the cache.
    """
    same, sizes = TOY if toy else (parity.Sizes(), speed.Sizes())
    if share:
        sizes = dataclasses.replace(sizes, repeats=1, seconds=0.01)
    else:
        stages.run("machine", machine)
    first, count = share or (0, 1)
    for name, stage in stages_of(same, sizes)[first::count]:
        stages.run(name, stage)
