"""Bradley-Terry with draws and White's advantage, all players and matches in one fit.

    P(win) : P(draw) : P(loss) of White = exp(x / 2) : nu : exp(-x / 2)
    x = White's strength - Black's + White's advantage

Sources: Davidson 1970, "On extending the Bradley-Terry model to accommodate ties" (points of
both players are sufficient: a draw is worth half a win exactly, whatever the draw rate);
Davidson and Beaver 1977 for the advantage of the first player. The likelihood is that of a
multinomial logit: concave, so every fit finds the one maximum.

Elo here is a strength scaled so that a small difference is worth in points what Elo's formula
says, as in Coulom's BayesElo: 400 / log(10) times 2 / (2 + nu).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import optimize, special

from sandwich_jax.measures.elo import (
    ELO,
    Fit,
    Interval,
    Pairings,
    interval,
    one_scale,
    opening_weights,
)

PRIOR = np.asarray([0.25, 0.5, 0.25])
"""Added to the wins, draws and losses of every match, half to each colour: a game's worth, so
that a match lost in full and one without draws have finite strengths."""


class Davidson(NamedTuple):
    """A fit with its draws and colours; row 0 of each is the estimate, the others resamples."""

    fit: Fit
    draws: Float[np.ndarray, "R"]
    """Share of draws between equals without White's advantage: nu / (2 + nu)."""
    white: Float[np.ndarray, "R"]
    """White's advantage in Elo."""

    def draw_share(self) -> Interval:
        """Share of draws between equals."""
        return interval(self.draws)

    def white_advantage(self) -> Interval:
        """White's advantage in Elo."""
        return interval(self.white)


class _Data(NamedTuple):
    """Distinct pairings by colour: what the likelihood needs."""

    signs: Float[np.ndarray, "M D"]
    """x / strengths and advantage: +1 White, -1 Black, 1 for the advantage (the last column)."""
    outcomes: Float[np.ndarray, "R M 3"]
    """Wins, draws and losses of White."""


def fit(
    pairings: Pairings, anchor: str, resamples: int = 400, seed: int = 0, anchor_elo: float = 0.0
) -> Davidson:
    """Strengths of all players by maximum likelihood, bootstrapped over opening pairs.

    Args:
        pairings: points of every match by opening and colour; the first-named player is White in
            column 0 and Black in column 1. Openings are shared as in `elo.fit`.
        anchor: the player whose Elo is set.
        resamples: bootstrap resamples of openings, the same for all matches.
        seed: of the bootstrap.
        anchor_elo: where the anchor stands.

    Raises:
        SettingError: the anchor played nobody, or some groups of players never met.
    """
    players = one_scale(pairings, anchor)
    data = _data(pairings, players, resamples, seed)
    estimate = _maximum_likelihood(data.signs, data.outcomes[0])
    theta = _newton(data, np.tile(estimate, (len(data.outcomes), 1)))
    nu = np.exp(theta[:, -1])
    scale = ELO * 2 / (2 + nu)
    free = theta[:, : len(players) - 1] * scale[:, None]
    strengths = anchor_elo + np.concatenate([np.zeros((len(free), 1)), free], axis=1)
    return Davidson(Fit(players, strengths), nu / (2 + nu), theta[:, -2] * scale)


def probabilities(elo: float, draws: float, white: float = 0.0) -> tuple[float, float, float]:
    """Win, draw and loss of White, who is `elo` better.

    Args:
        elo: difference without the advantage.
        draws: share of draws between equals, in [0, 1).
        white: White's advantage in Elo.
    """
    nu = 2 * draws / (1 - draws)
    half = (elo + white) / ELO * (2 + nu) / 4
    odds = np.asarray([np.exp(half), nu, np.exp(-half)])
    win, draw, loss = odds / odds.sum()
    return float(win), float(draw), float(loss)


def _data(pairings: Pairings, players: tuple[str, ...], resamples: int, seed: int) -> _Data:
    points = [np.asarray(p, float) for p in pairings.values()]
    counts = opening_weights(max(len(p) for p in points), resamples, seed)
    signs, outcomes = [], []
    for (a, b), won in zip(pairings, points, strict=True):
        weights = counts[:, : len(won)]
        for column, white, black in ((0, a, b), (1, b, a)):
            own = won[:, column] if column == 0 else 1 - won[:, column]
            kinds = np.stack([own == 1, own == 0.5, own == 0], axis=1)
            outcomes.append(weights @ kinds + PRIOR / 2)
            row = np.zeros(len(players) + 1)
            row[players.index(white)] += 1
            row[players.index(black)] -= 1
            row[-1] = 1
            signs.append(row[1:])  # the anchor is fixed
    return _Data(np.stack(signs), np.stack(outcomes, axis=1))


def _logits(
    signs: Float[np.ndarray, "M D"], theta: Float[np.ndarray, "*R E"]
) -> Float[np.ndarray, "*R M 3"]:
    """Log-odds of White's win, draw, loss; `theta` is strengths, advantage, log nu."""
    half = theta[..., :-1] @ signs.T / 2
    draw = np.broadcast_to(theta[..., -1:], half.shape)
    return np.stack([half, draw, -half], axis=-1)


def _design(signs: Float[np.ndarray, "M D"]) -> Float[np.ndarray, "M 3 E"]:
    """Derivatives of the log-odds."""
    zero, one = np.zeros((len(signs), 1)), np.ones((len(signs), 1))
    win = np.concatenate([signs / 2, zero], axis=1)
    draw = np.concatenate([0 * signs, one], axis=1)
    return np.stack([win, draw, -win], axis=1)


def _maximum_likelihood(
    signs: Float[np.ndarray, "M D"], outcomes: Float[np.ndarray, "M 3"]
) -> Float[np.ndarray, "E"]:
    design, games = _design(signs), outcomes.sum(axis=-1)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        logits = _logits(signs, theta)
        value = games @ special.logsumexp(logits, axis=-1) - (outcomes * logits).sum()
        excess = games[:, None] * special.softmax(logits, axis=-1) - outcomes
        return float(value), np.einsum("mk,mke->e", excess, design)

    return optimize.minimize(loss, np.zeros(signs.shape[1] + 1), jac=True, method="BFGS").x


def _newton(data: _Data, theta: Float[np.ndarray, "R E"]) -> Float[np.ndarray, "R E"]:
    """The maximum for all resamples at once: near the estimate, Newton needs few steps."""
    design, games = _design(data.signs), data.outcomes.sum(axis=-1)
    for _ in range(50):
        share = special.softmax(_logits(data.signs, theta), axis=-1)
        gradient = np.einsum("rmk,mke->re", games[..., None] * share - data.outcomes, design)
        mean = np.einsum("rmk,mke->rme", share, design)
        second = np.einsum("rm,rmk,mke,mkf->ref", games, share, design, design, optimize=True)
        second -= np.einsum("rm,rme,rmf->ref", games, mean, mean, optimize=True)
        step = np.linalg.solve(second, gradient[..., None])[..., 0]
        # A resample far from the estimate must not overshoot: at most a factor e at a time.
        theta = theta - np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    return theta
