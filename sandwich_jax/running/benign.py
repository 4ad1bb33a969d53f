"""Noise that makes E as weak as a corrupt A, without intent: the control `benign`.

A corrupt A errs where its misalignment says; a benign adviser of the same strength errs at
random. What W loses to the first and not to the second is owed to the misalignment itself.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax import lane_layout, sandwich
from sandwich_jax.controls import BENIGN
from sandwich_jax.measures.standing import Standings
from sandwich_jax.members import Config, Member, members_of
from sandwich_jax.types import SettingError

OPENINGS = 128
"""Of the matches against W, each played twice: those of training, not of the arena."""
STEPS = 7
LOW, HIGH = 1 / 16, 64.0
"""Between which sigma is looked for; logits of E spread over about 10."""
MARGIN = 0.05
"""Of scores: a match of so many games is no more exact."""


def found(setup: sandwich.Setup, told: Callable[[str], None] = lambda text: None) -> Config:
    """The run's settings with the noise of its benign advisers, where it has any.

    Bisects the logarithm of sigma, seven times, until E behind `policy_noise` scores against W
    what the corrupt A scores, in matches of one key. Costs eight matches for each corrupt A.

    Raises:
        SettingError: an A is weaker than E is behind any noise.
    """
    config = setup.config
    if "benign" not in config.controls or config.benign_sigma:
        return config
    corrupt = [m for m in members_of(config) if m.assistant != "E" and not m.role]
    if not corrupt:
        raise SettingError("controls has benign, but no member has a corrupt A.")
    count = min(OPENINGS, len(setup.game.openings("train")))
    lines = jnp.asarray(setup.game.openings("train")[:count])
    starts = jax.jit(setup.game.after)(lines)
    where = lane_layout.layout("loop", 1)
    standings = Standings(config, setup.game, setup.models, starts, where)
    sigmas = [_matched(config, standings, member, count, told) for member in corrupt]
    return dataclasses.replace(config, benign_sigma=tuple(dict.fromkeys(sigmas)))


def _matched(
    config: Config, standings: Standings, member: Member, count: int, told: Callable[[str], None]
) -> float:
    wanted = _score(config, standings, member, count)
    low, high = math.log(LOW), math.log(HIGH)
    if wanted < _score(config, standings, _noisy(config, HIGH), count) - MARGIN:
        raise SettingError(
            f"controls has benign, but A ({member.assistant}) scores {wanted:.2f} against W, less"
            " than E behind any noise: leave benign out."
        )
    for _ in range(STEPS):
        middle = (low + high) / 2
        score = _score(config, standings, _noisy(config, math.exp(middle)), count)
        told(f"benign for {member.assistant}: sigma {math.exp(middle):.2f} scores {score:.3f}"
             f" against W, {wanted:.3f} wanted")  # fmt: skip
        low, high = (middle, high) if score > wanted else (low, middle)
    return round(math.exp((low + high) / 2), 3)


def _noisy(config: Config, sigma: float) -> Member:
    changes = {k: v for k, v in BENIGN.items() if k != "misalignment" and getattr(config, k) != v}
    misalignment = str(BENIGN["misalignment"])
    strengths = (("sigma", sigma),)
    return Member(config.protocol, misalignment, strengths, "benign", tuple(changes.items()))


def _score(config: Config, standings: Standings, member: Member, count: int) -> float:
    """A's score against W, with adjudication."""
    jobs = standings.baseline(config, (member,))
    pair = (member.assistant, "W")
    (scores,) = standings.play_matches({pair: jobs[pair]}, count, lambda names: None).values()
    return float(np.asarray(scores.points).mean())
