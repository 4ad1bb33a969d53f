"""Puzzles: a player solves one if every move of its side is right.

Scored as on Lichess: where the line is not over, only its move is right, but a move that mates is
always right and ends the puzzle. One batch of positions for each of the solver's moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax import board
from sandwich_jax.measures import elo, gap, shares
from sandwich_jax.types import State

Choose = Callable[[State, Bool[np.ndarray, "B"]], Int[Array, "B"]]
"""`(positions, which of them are asked about) -> labels`; the other labels are of no matter."""


BATCH = 1024
"""Puzzles solved at a time."""


class Puzzles(NamedTuple):
    """N puzzles; the solver is to move in `starts`."""

    names: tuple[str, ...]
    ratings: Int[np.ndarray, "N"]
    starts: State
    """Positions after the opponent's first move."""
    lines: Int[np.ndarray, "N L"]
    """Labels from there on, the solver's first and last; -1 after the end."""


def solve(choose: Choose, puzzles: Puzzles) -> Bool[np.ndarray, "N"]:
    """Which puzzles a player solves."""
    *_, solved = solving(choose, puzzles)
    return solved


def solving(
    choose: Choose, puzzles: Puzzles, batch: int = BATCH
) -> Iterator[Bool[np.ndarray, "n"]]:
    """Which of the first n puzzles a player solves, as n grows by a batch."""
    count = len(puzzles.lines)
    solved = np.zeros(count, bool)
    for rows in batches(count, batch):
        starts = board.take(puzzles.starts, jnp.asarray(rows))
        own = np.arange(len(rows)) < count - rows[0]
        found = _solve(choose, starts, puzzles.lines[rows], own)
        solved[rows[own]] = found[own]
        yield solved[: int(rows[0]) + len(rows)]


def batches(count: int, batch: int = BATCH) -> Iterator[Int[np.ndarray, "B"]]:
    """Rows of puzzles in batches of one size, so that few programs are compiled.

    It is a power of two; the last batch is filled up with the first rows over again.
    """
    size = min(max(8, 1 << (count - 1).bit_length()), batch)
    for first in range(0, count, size):
        yield np.arange(first, first + size) % count


def step(state: State, labels: Int[Array, "B"]) -> State:
    """Positions after the moves of puzzles' lines, which go on where a draw by rule ends games.

    Where a label is negative, its position stays.
    """
    return board.step(state._replace(reason=jnp.zeros_like(state.reason)), labels)


def _solve(
    choose: Choose, state: State, lines: Int[np.ndarray, "B L"], going: Bool[np.ndarray, "B"]
) -> Bool[np.ndarray, "B"]:
    """Which puzzles are solved of those that are `going`."""
    ended = np.full((len(lines), 1), -1)
    lines = np.concatenate([lines, ended], axis=1)
    solved = np.zeros(len(lines), bool)
    for ply in range(0, lines.shape[1] - 1, 2):
        wanted, reply = lines[:, ply], lines[:, ply + 1]
        chosen = np.where(going, np.asarray(choose(state, going)), -1)
        after = step(state, jnp.asarray(chosen))
        mates = going & np.asarray(board.rewards(after)).any(-1)
        right = going & (chosen == wanted)
        solved |= mates | (right & (reply < 0))
        going = right & ~mates & (reply >= 0)
        if not going.any():
            break
        state = step(after, jnp.asarray(np.where(going, reply, -1)))
    return solved


def by_band(
    solved: Bool[np.ndarray, "N"], ratings: Int[np.ndarray, "N"]
) -> list[tuple[str, shares.Share]]:
    """Share solved in each band of 200 points that has puzzles, "all" first."""
    rows = [("all", shares.share(solved))]
    rows += [(name, shares.share(solved[inside])) for name, inside in shares.bands(ratings)]
    return [(name, found) for name, found in rows if found]


def accuracies(
    solved: Mapping[str, Bool[np.ndarray, "N"]], resamples: int = 400, seed: int = 0
) -> elo.Fit:
    """Shares solved by several players, bootstrapped over puzzles, the same resample for all.

    Returned as if they were strengths: `gap.recovered` of it is PGR on puzzles.
    """
    table: Float[np.ndarray, "N P"] = np.stack([s.astype(float) for s in solved.values()], axis=1)
    weights = elo.opening_weights(len(table), resamples, seed)
    return elo.Fit(tuple(solved), weights @ table / len(table))


def recovered(
    student: Bool[np.ndarray, "N"], weak: Bool[np.ndarray, "N"], expert: Bool[np.ndarray, "N"]
) -> elo.Interval | None:
    """PGR on puzzles, all three solving the same ones; None (undefined) as in `gap.recovered`."""
    fit = accuracies({"student": student, "weak": weak, "expert": expert})
    return gap.recovered(fit, "student", "weak", "expert")
