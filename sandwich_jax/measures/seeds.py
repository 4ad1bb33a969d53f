"""One fit from the fits of several seeds: what another run of the experiment would show.

Openings tell how well one run was measured; only other seeds tell how much runs differ. The two
are crossed (every seed meets the same openings), so both are resampled: Owen 2007, "The pigeonhole
bootstrap".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from sandwich_jax.measures.elo import Fit, Interval
from sandwich_jax.types import SettingError


def mean(fits: Sequence[Fit]) -> Fit:
    """`over_seeds`; one fit stays as it is, its intervals being over openings alone."""
    return over_seeds(fits) if len(fits) > 1 else fits[0]


def students(values: Sequence[float]) -> Interval:
    """The mean of a figure of several seeds and its 95% interval by Student's t (Student 1908).

    Where a figure has an error of its own, as a match has, their spread has it too.

    Args:
        values: one a seed, at least two.
    """
    centre = float(np.mean(values))
    error = float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
    return Interval(centre, centre - error, centre + error)


def widening(count: int) -> float:
    """What deviations of a resampled mean of so many seeds, two or more, are multiplied by.

    Few seeds vary less than what they were drawn from, and a normal quantile asks too little of
    them: sqrt(S / (S - 1)) and t / z, as in Hesterberg 2015, "What teachers should know about the
    bootstrap", section 5.3 ("expanded percentile").
    """
    wider = stats.t.ppf(0.975, count - 1) / stats.norm.ppf(0.975)
    return float(np.sqrt(count / (count - 1)) * wider)


def over_seeds(fits: Sequence[Fit], seed: int = 0) -> Fit:
    """The mean over seeds of every player's Elo, with the seed as the unit.

    Resample r takes seeds with replacement and their resample r of openings. Deviations between
    seeds are widened by `widening`.

    Args:
        fits: one a seed, of players of the same names, made with the same openings and the same
            bootstrap seed.
        seed: of the resampling of seeds.

    Raises:
        SettingError: fewer than two fits, or fits that do not match.
    """
    if len(fits) < 2:
        raise SettingError(f"{len(fits)} seeds: an interval over seeds needs at least 2.")
    players = fits[0].players
    if any(fit.players != players or fit.elo.shape != fits[0].elo.shape for fit in fits):
        raise SettingError("Fits of different players or resamples cannot be averaged over seeds.")
    elos = np.stack([fit.elo for fit in fits])
    rows, count = elos.shape[1], len(fits)
    centre = elos[:, 0].mean(axis=0)
    drawn = np.random.default_rng(seed).integers(count, size=(rows, count))
    drawn[0] = np.arange(count)
    between = elos[drawn, 0].mean(axis=1) - centre
    within = (elos - elos[:, :1])[drawn, np.arange(rows)[:, None]].mean(axis=1)
    return Fit(players, centre + widening(count) * between + within)
