"""How good moves are by an engine's verdicts before and after each of them.

Sources: https://lichess.org/page/accuracy for accuracy; lila's Advice.scala for what is an
inaccuracy, a mistake and a blunder (a drop of 0.1, 0.2 and 0.3 on its scale of winning chances
from -1 to 1, half as much in win probability; here alike for mates, which it judges apart); its
AccuracyCP.scala for the ceiling on centipawns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from sandwich_jax.measures import elo, shares

CEILING = 1000
"""Centipawns beyond which a lead counts no more; mates count as this."""
DROPS = {"inaccuracy": 0.05, "mistake": 0.10, "blunder": 0.15}
"""Loss of win probability from which on a move is one of these, and not yet the next."""
RESAMPLES = 400


class Moves(NamedTuple):
    """N moves as an engine sees them; all for the mover."""

    win_before: Float[np.ndarray, "N"]
    """Win probability in [0, 1]."""
    win_after: Float[np.ndarray, "N"]
    centipawns_before: Int[np.ndarray, "N"]
    centipawns_after: Int[np.ndarray, "N"]
    game: Int[np.ndarray, "N"]
    """The game that a move is of: moves of one are not independent."""


def win_loss(moves: Moves) -> Float[np.ndarray, "N"]:
    """Win probability lost; below 0 where the engine found a move better than it had thought."""
    return moves.win_before - moves.win_after


def centipawn_loss(moves: Moves) -> Float[np.ndarray, "N"]:
    """Centipawns lost, at least 0, both verdicts cut off at `CEILING`."""
    before, after = (
        np.clip(x, -CEILING, CEILING) for x in (moves.centipawns_before, moves.centipawns_after)
    )
    return np.maximum(before - after, 0).astype(float)


def accuracy(moves: Moves) -> Float[np.ndarray, "N"]:
    """Lichess's accuracy of each move, in [0, 100]."""
    lost = 100 * np.maximum(win_loss(moves), 0)
    return np.clip(103.1668 * np.exp(-0.04354 * lost) - 3.1669, 0, 100)


def summary(moves: Moves, seed: int = 0) -> dict[str, Any]:
    """Means over moves with 95% intervals from a bootstrap over games, as columns.

    Returns:
        `moves`, `acpl` (average centipawn loss), `accuracy` (mean over moves), and the shares
        `inaccuracies`, `mistakes` and `blunders`, each with `_lo` and `_hi`; only `moves` if none.
    """
    columns: dict[str, Any] = {"moves": len(moves.game)}
    if not len(moves.game):
        return columns
    loss = win_loss(moves)
    levels = [*DROPS.values(), np.inf]
    figures = {"acpl": centipawn_loss(moves), "accuracy": accuracy(moves)}
    for name, low, high in zip(
        ("inaccuracies", "mistakes", "blunders"), levels[:-1], levels[1:], strict=True
    ):
        figures[name] = ((loss >= low) & (loss < high)).astype(float)
    names, index = np.unique(moves.game, return_inverse=True)
    weights = elo.opening_weights(len(names), RESAMPLES, seed)[:, index]
    for name, numbers in figures.items():
        columns |= shares.columns(name, elo.interval(weights @ numbers / weights.sum(1)))
    return columns
