"""`sandwich-jax shift`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from sandwich_jax.machine import console


@dataclasses.dataclass(frozen=True)
class Shift:
    """Lays networks beside the one that they were tuned from: what tuning did to the policy."""

    base: tyro.conf.Positional[str]
    """zoo:NAME, ckpt:PATH or fresh:SEED."""
    tuned: tyro.conf.Positional[tuple[str, ...]]
    """Likewise."""
    positions: tuple[str, ...] = ("openings",)
    """Sets of positions: openings, puzzles:PATH, corpus:PATH (its test games) or run:PATH (a run's
    self-play)."""
    expert: str | None = None
    """A network to measure the distance to as well, such as zoo:expert."""
    count: int = 2000
    """Positions drawn from each set."""
    out: pathlib.Path | None = None
    """Adds the results to this file of JSON lines."""


def shift(args: Shift) -> None:
    """`sandwich-jax shift`."""
    from sandwich_jax.evaluation import shift_table

    shift_table.show(
        args.base, args.tuned, args.positions, args.expert, args.count, args.out, console.OUT
    )
