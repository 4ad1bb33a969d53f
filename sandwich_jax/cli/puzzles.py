"""`sandwich-jax puzzles`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from sandwich_jax.machine import console


@dataclasses.dataclass(frozen=True)
class Puzzles:
    """Lets players solve puzzles: the share solved by rating. A move that mates is always right."""

    players: tyro.conf.Positional[tuple[str, ...]]
    """Spelled as for `match`."""
    file: pathlib.Path
    """Puzzles as CSV, plain or packed (.zst), with the columns PuzzleId, FEN, Moves and Rating, as
    Lichess has them."""
    count: int | None = None
    """Draw so many at random; all by default."""
    seed: int = 0
    """Of the draw."""
    out: pathlib.Path | None = None
    """Adds the results to this file of JSON lines."""


def puzzles(args: Puzzles) -> None:
    """`sandwich-jax puzzles`."""
    from sandwich_jax.evaluation import solving

    solving.show(args.players, args.file, args.count, args.seed, args.out, console.OUT)
