"""`on_accelerator.py measure`: parity and speed, in an order of worth."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Iterator
from importlib import metadata

import jax

from scripts.accelerator import parity, speed
from scripts.accelerator.stages import GIB, Row, Stages

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


def run(stages: Stages, toy: bool) -> None:
    """Every stage that the time allows, those worth most first."""
    same, sizes = TOY if toy else (parity.Sizes(), speed.Sizes())
    alone: list[float] = []
    begin = functools.partial
    stages.run("machine", machine)
    for batch in sizes.board[:1]:
        stages.run("board", begin(speed.board, (batch,), sizes, True))
    stages.run("parity", begin(parity.chess, same))
    for size, lanes in sizes.lanes:
        stages.run("self-play", begin(speed.self_play, size, lanes, sizes))
    for batch in sizes.batches:
        stages.run("updates", begin(speed.updates, sizes.size, batch, sizes))
    stages.run("parity", begin(parity.logits, same))
    for count in sizes.members:
        stages.run("members", begin(speed.members, count, alone, sizes))
    stages.run("parity", begin(parity.identities, same))
    for batch in sizes.convolutions:
        stages.run("convolutions", begin(speed.convolutions, batch, sizes))
    for batch in sizes.board[1:]:
        stages.run("board", begin(speed.board, (batch,), sizes, True))
    first, *others = sizes.more_lanes
    stages.run("self-play", begin(speed.self_play, *first, sizes))
    for batch in sizes.more_board:
        stages.run("board", begin(speed.board, (batch,), sizes, False))
    for batch in sizes.more_batches:
        stages.run("updates", begin(speed.updates, sizes.size, batch, sizes))
    for count in sizes.more_members:
        stages.run("members", begin(speed.members, count, alone, sizes))
    for size, lanes in others:
        stages.run("self-play", begin(speed.self_play, size, lanes, sizes))
