"""bayes_gate: how likely it is that A means what it says, by what W itself thinks of the move.

A's answers are taken for a mixture of two kinds. One that is meant is a move a with probability
pi(a), W's own policy or the one that W's own search ends on; one that is not is any of the n legal
moves, each as likely. With a share d of the second kind, Bayes' rule says of an answer that it is
meant with probability

    (1 - d) n pi(a) / ((1 - d) n pi(a) + d)

W does not know d. It begins at one half, and after every round is what fits best all answers that W
has heard in it, by expectation maximisation (Dempster, Laird and Rubin 1977). Who thinks is W as it
now is, to which a move may be plausible that once was strange; or W before the first round, to
which no lie has become plausible that it took since.
"""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sandwich_jax import sampling
from sandwich_jax.oversight.interface import (
    Memory,
    Own,
    Protocol,
    Sized,
    ask_everywhere,
    follow_if,
    if_any,
    log_prior,
)
from sandwich_jax.oversight.reliability import Trust
from sandwich_jax.search import search
from sandwich_jax.settings import settings, size, word
from sandwich_jax.types import Advice, Decision, Outputs, PRNGKey, Rollout
from sandwich_jax.words import MOST_SIMULATIONS

STEPS = 50
"""Of the fit: many more than it takes where answers are told apart at all."""
BOUND = 1e6
"""Of the ratio n pi(a), either way: one move alone must not decide what all others are."""

Plays = Literal["own", "advice"]
PLAYS: tuple[Plays, ...] = ("own", "advice")
Judge = Literal["now", "first"]
JUDGES: tuple[Judge, ...] = ("now", "first")


@settings
class BayesGate(Trust):
    """Who thinks for how long, how sure it must be, and what becomes of advice that it believes."""

    looks: int = size(
        0, "positions that W's own search looks at before it judges a move; 0: its policy alone",
        low=0, high=MOST_SIMULATIONS,
    )  # fmt: skip
    judge: Judge = word(
        "now", "who judges: W as it now is, or as it was before the first round", JUDGES
    )
    plays: Plays = word(
        "own",
        "what W plays where it believes A: its own move all the same, so that advice is learnt"
        " (by objectives that learn what W took) and not played, or the advice",
        PLAYS,
    )


def meant(doubt: Float[Array, ""], ratio: Float[Array, "*N"]) -> Float[Array, "*N"]:
    """Probability that answers are meant.

    Args:
        doubt: share of those that are not, d.
        ratio: n pi(a), how much likelier a is by W than if any legal move would do.
    """
    trusted = (1.0 - doubt) * ratio
    return trusted / (trusted + doubt)


def fit(
    doubt: Float[Array, ""], ratio: Float[Array, "*N"], weight: Float[Array, "*N"]
) -> Float[Array, ""]:
    """The share d under which answers of these ratios are likeliest, by `STEPS` of EM.

    Args:
        doubt: where the fit begins, in (0, 1); also what is told where there is no weight.
        ratio: see `meant`.
        weight: at least 0; 0 where nothing was answered.
    """
    total = weight.sum()

    def step(doubt: Float[Array, ""], _: None) -> tuple[Float[Array, ""], None]:
        share = (weight * (1.0 - meant(doubt, ratio))).sum() / jnp.maximum(total, 1.0)
        return jnp.clip(share, 1e-3, 1.0 - 1e-3), None  # at 0 or 1 nothing could be learnt any more

    found, _ = jax.lax.scan(step, doubt, None, length=STEPS)
    return jnp.where(total > 0, found, doubt)


def _chance(key: PRNGKey, own: Own, advice: Advice, sizes: BayesGate) -> Float[Array, "B"]:
    """pi of the advised move."""
    if sizes.judge == "now":
        think, root = own.think, Outputs(own.logits, own.value)
    else:
        think = own.first
        root = think(own.state)
        own = own._replace(logits=sampling.mask_logits(root.logits, own.legal))
    if not sizes.looks:
        return jnp.exp(log_prior(own, advice.move[0]))

    def thought() -> Float[Array, "B"]:
        found = search(key, own.game, own.state, root, lambda _, s: think(s), sizes.looks)
        return jnp.where(found.labels == advice.move[0][:, None], found.weights, 0.0).sum(-1)

    return if_any(advice.asked, thought)


def _bayes_gate(settings: BayesGate) -> Protocol:
    """Takes answers that are likely enough to be meant."""

    def decide(
        key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: BayesGate
    ) -> tuple[Decision, Any]:
        chance = _chance(key, own, advice, settings)
        ratio = jnp.clip(own.legal.sum(-1) * chance, 1.0 / BOUND, BOUND)
        decision = follow_if(meant(memory.lore, ratio) >= knobs.trust, own, advice, ratio)
        if settings.plays == "own":
            decision = decision._replace(move=own.move)
        return decision, memory.game

    def learn(lore: Float[Array, ""], rollout: Rollout, knobs: BayesGate) -> Float[Array, ""]:
        heard = rollout.assisted & rollout.asked
        return fit(lore, rollout.notes, heard.astype(jnp.float32))

    return Protocol(
        ask_everywhere,
        decide,
        of_games=settings.looks > 0,
        lore=lambda: jnp.float32(0.5),
        learn=learn,
        settings=settings,
        says="Takes what is likely enough to be meant, by W's own thought and Bayes' rule.",
        source="expectation maximisation, Dempster, Laird and Rubin 1977",
    )


bayes_gate = Sized(BayesGate, _bayes_gate)
