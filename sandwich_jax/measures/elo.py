"""Elo from matches: one Bradley-Terry fit over all players, bootstrapped over opening pairs."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import optimize

from sandwich_jax.types import SettingError

ELO = 400 / np.log(10)
"""Elo points per unit of log-odds."""

Pairings = Mapping[tuple[str, str], Any]
"""Points (1, 0.5, 0) of the first-named player by opening and colour, [N, 2].

All matches of one fit start from the same openings in the same order, so that resampling openings
keeps what players have in common: differences between players are paired.
"""


@dataclasses.dataclass(frozen=True)
class Interval:
    """An estimate and its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """As "+123 [+100, +146]"."""
        return f"{self.value:+.0f} [{self.low:+.0f}, {self.high:+.0f}]"


class Fit(NamedTuple):
    """Elos of one fit and of its bootstrap resamples."""

    players: tuple[str, ...]
    elo: Float[np.ndarray, "R N"]
    """Row 0 is the estimate, the others are resamples; the first player stands at 0."""

    def of(self, player: str) -> Float[np.ndarray, "R"]:
        """Elo of one player in every resample."""
        return self.elo[:, self.players.index(player)]

    def difference(self, a: str, b: str) -> Interval:
        """Elo of `a` over `b`."""
        return interval(self.of(a) - self.of(b))


def interval(samples: Float[np.ndarray, "R"]) -> Interval:
    """Estimate (row 0) and percentile interval (the other rows)."""
    # Of R samples, 2.5% lie below the one ranked 0.025 (R + 1); numpy's default asks for less.
    low, high = np.percentile(samples[1:], [2.5, 97.5], method="weibull")
    return Interval(float(samples[0]), float(low), float(high))


def fit(pairings: Pairings, anchor: str, resamples: int = 400, seed: int = 0) -> Fit:
    """Bradley-Terry strengths by maximum likelihood, a draw counting half a win.

    Half a point to either side is added to each match, so that a match lost in full has a finite
    Elo; with 400 games that caps a difference at about 1,160. Resamples of such a match would all
    be alike; they draw its score from what it leaves open, see `_one_sided`.

    Args:
        pairings: points of every match; matches may have different numbers of openings, of which
            the first N are then shared.
        anchor: the player at 0.
        resamples: bootstrap resamples of openings.
        seed: of the bootstrap.

    Raises:
        SettingError: the anchor played nobody, or some groups of players never met.
    """
    players = one_scale(pairings, anchor)
    index = {name: i for i, name in enumerate(players)}
    a = np.asarray([index[first] for first, _ in pairings])
    b = np.asarray([index[second] for _, second in pairings])
    points = [np.asarray(p, float).reshape(len(p), -1) for p in pairings.values()]
    counts = opening_weights(max(len(p) for p in points), resamples, seed)
    won, games = _weighted(points, counts)
    for match, (names, own) in enumerate(zip(pairings, points, strict=True)):
        if own.size and own.min() == own.max() in (0.0, 1.0):
            drawn = _one_sided(names, own.size, bool(own.max()), resamples, seed)
            won[1:, match] = games[1:, match] * drawn
    estimate = _maximum_likelihood(a, b, won[0], games[0], len(players))
    strengths = _newton(a, b, won, games, np.tile(estimate, (len(counts), 1)))
    return Fit(players, strengths * ELO)


def one_scale(pairings: Pairings, anchor: str) -> tuple[str, ...]:
    """The players of matches that hang together, the anchor first.

    Raises:
        SettingError: there is no such anchor, or some groups of players never met.
    """
    if anchor not in {name for pair in pairings for name in pair}:
        known = ", ".join(sorted({name for pair in pairings for name in pair})) or "nobody"
        raise SettingError(f"The anchor is '{anchor}', but those who played are {known}.")
    found = groups(pair for pair, points in pairings.items() if len(points))
    alone = {name for pair in pairings for name in pair}.difference(*found)
    found += [{name} for name in sorted(alone)]
    if len(found) > 1:
        told = "; ".join(", ".join(sorted(group)) for group in found)
        raise SettingError(
            f"These groups of players never met, so that no one scale holds them all: {told}."
        )
    return anchor, *sorted(found[0] - {anchor})


def groups(pairs: Iterable[tuple[str, str]]) -> list[set[str]]:
    """Players that hang together by matches, directly or through others."""
    found: list[set[str]] = []
    for pair in pairs:
        met = [group for group in found if group & set(pair)]
        found = [group for group in found if group not in met] + [set(pair).union(*met)]
    return found


def opening_weights(openings: int, resamples: int, seed: int) -> Float[np.ndarray, "R N"]:
    """How often each opening counts: once in the first row, as drawn in the others.

    The same numbers give the same weights: fits that share openings share resamples.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(openings, np.full(openings, 1 / openings), size=resamples)
    return np.concatenate([np.ones((1, openings)), drawn])


def _weighted(
    points: list[np.ndarray], counts: Float[np.ndarray, "R N"]
) -> tuple[Float[np.ndarray, "R M"], Float[np.ndarray, "R M"]]:
    """Points won and games played in every match, resample by resample."""
    won = [counts[:, : len(p)] @ p.sum(axis=1) + 0.5 for p in points]
    games = [counts[:, : len(p)].sum(axis=1) * p.shape[1] + 1.0 for p in points]
    return np.stack(won, axis=1), np.stack(games, axis=1)


def _one_sided(
    names: tuple[str, str], games: int, won: bool, resamples: int, seed: int
) -> Float[np.ndarray, "R"]:
    """Scores that a match won or lost in every game may have stood for.

    Draws of Beta(games + 1/2, 1/2), what is known of a share after as many wins and no loss if
    nothing was known before (Jeffreys 1946); its mean is the estimate with half a point added. The
    same match draws the same in every fit.
    """
    rng = np.random.default_rng((seed, zlib.crc32("\0".join(names).encode())))
    share = rng.beta(games + 0.5, 0.5, resamples)
    return share if won else 1.0 - share


def _maximum_likelihood(
    a: np.ndarray, b: np.ndarray, won: np.ndarray, games: np.ndarray, players: int
) -> Float[np.ndarray, "N"]:
    """Log-odds strengths, the first fixed at 0 (Hunter 2004, section 2)."""

    def loss(free: np.ndarray) -> tuple[float, np.ndarray]:
        strength = np.concatenate([[0.0], free])
        gap = strength[a] - strength[b]
        value = games @ np.logaddexp(0, gap) - won @ gap
        slope = games / (1 + np.exp(-gap)) - won
        gradient = np.zeros(players)
        np.add.at(gradient, a, slope)
        np.add.at(gradient, b, -slope)
        return float(value), gradient[1:]

    found = optimize.minimize(loss, np.zeros(players - 1), jac=True, method="BFGS")
    return np.concatenate([[0.0], found.x])


def _newton(
    a: np.ndarray,
    b: np.ndarray,
    won: Float[np.ndarray, "R M"],
    games: Float[np.ndarray, "R M"],
    start: Float[np.ndarray, "R N"],
) -> Float[np.ndarray, "R N"]:
    """The same maximum for all resamples at once: near the estimate, Newton needs few steps."""
    players = start.shape[1]
    signs = np.zeros((len(a), players))
    signs[np.arange(len(a)), a] += 1
    signs[np.arange(len(a)), b] -= 1
    signs = signs[:, 1:]  # the first player is fixed
    strength = start[:, 1:].copy()
    for _ in range(50):
        expected = 1 / (1 + np.exp(-strength @ signs.T))
        gradient = (games * expected - won) @ signs
        curvature = np.einsum("rm,mi,mj->rij", games * expected * (1 - expected), signs, signs)
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        # A resample far from the estimate must not overshoot: at most a factor e at a time.
        strength -= np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    return np.concatenate([np.zeros((len(strength), 1)), strength], axis=1)
