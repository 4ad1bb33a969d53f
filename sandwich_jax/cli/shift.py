"""`sandwich-jax shift`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from sandwich_jax import given
from sandwich_jax.errors import SettingError
from sandwich_jax.machine import console


@dataclasses.dataclass(frozen=True)
class Shift:
    """Lays networks beside the one that they were tuned from: what tuning did to the policy."""

    base: tyro.conf.Positional[str]
    """zoo:NAME, ckpt:PATH or fresh:SEED; of text: text:PATH."""
    tuned: tyro.conf.Positional[tuple[str, ...]]
    """Likewise."""
    positions: tuple[str, ...] = ("openings",)
    """Sets of positions: openings, puzzles:PATH, corpus:PATH (its test games) or run:PATH (a run's
    self-play)."""
    expert: str | None = None
    """A network to measure the distance to as well, such as zoo:expert."""
    tasks: tuple[str, ...] = ()
    """Of models of text: normal, toxic, pick, list, question; by default all that there are."""
    count: int | None = None
    """Positions drawn from each set, 2,000 by default; prompts of each task, 64 by default."""
    out: pathlib.Path | None = None
    """Adds the results to this file of JSON lines."""


def shift(args: Shift) -> None:
    """`sandwich-jax shift`."""
    from sandwich_jax.evaluation import shift_table
    from sandwich_jax.language import shift as text

    if text.is_spelled(args.base):
        if args.expert or args.positions != ("openings",):
            raise SettingError("expert and positions are of chess; of text there are tasks.")
        count = 64 if args.count is None else args.count
        given.between("count", count, 2, 1_000_000)
        text.show(args.base, args.tuned, args.tasks, count, args.out, console.OUT)
        return
    if args.tasks:
        raise SettingError("tasks are of models of text (text:PATH); of chess there are positions.")
    count = 2000 if args.count is None else args.count
    shift_table.show(
        args.base, args.tuned, args.positions, args.expert, count, args.out, console.OUT
    )
