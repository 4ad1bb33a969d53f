"""Matches between players of known strength: what intervals and tests are checked with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from sandwich_jax.measures import bradley_terry, pentanomial, sprt


def match(
    seed: int | Sequence[int],
    difference: float,
    draws: float = 0.3,
    white: float = 30.0,
    openings: int = 200,
    bias: float = 0.0,
) -> Float[np.ndarray, "N 2"]:
    """Points of the first player by opening and colour, drawn from Davidson's model.

    Args:
        seed: of the draw.
        difference: Elo of the first player over the second.
        draws: share of draws between equals, in [0, 1).
        white: White's advantage in Elo.
        openings: N; each is played twice with colours changed.
        bias: standard deviation between openings of White's advantage.
    """
    rng = np.random.default_rng(seed)
    favour = white + rng.normal(0, bias, openings) if bias else [white]
    points = np.empty((openings, 2))
    for column, own in enumerate((difference, -difference)):
        cut = np.asarray([bradley_terry.probabilities(own, draws, f)[:2] for f in favour])
        uniform = rng.random(openings)
        win, draw = uniform < cut[:, 0], uniform < cut.sum(axis=1)
        result = np.where(win, 1.0, np.where(draw, 0.5, 0.0))
        points[:, column] = 1 - result if column else result
    return points


def expected(difference: float, draws: float = 0.3, white: float = 30.0) -> float:
    """Logistic Elo of the score that the model expects, both colours together."""
    own = bradley_terry.probabilities(difference, draws, white)
    other = bradley_terry.probabilities(-difference, draws, white)
    return pentanomial.elo_of((own[0] + own[1] / 2 + other[2] + other[1] / 2) / 2)


def sequential(
    seed: int, test: sprt.Test, truth: float, limit: int = 4000, step: int = 8
) -> tuple[str | None, int]:
    """What a sequential test accepts and after how many opening pairs.

    Args:
        seed: of the match.
        test: looked at after every `step` pairs.
        truth: logistic Elo between the players, in [-50, 50].
        limit: pairs at most.
    """
    strengths = [-60, -20, 0, 20, 60]
    difference = np.interp(truth, [expected(d) for d in strengths], strengths)
    points = match(seed, float(difference), openings=limit)
    kinds = np.rint(2 * points.sum(axis=1)).astype(int)
    running = np.cumsum(np.eye(5, dtype=int)[kinds], axis=0)
    for pairs in range(step, limit + 1, step):
        accepted = sprt.state(test, running[pairs - 1]).accepted
        if accepted:
            return accepted, pairs
    return None, limit
