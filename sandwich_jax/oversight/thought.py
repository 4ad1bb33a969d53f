"""search_gate: advice that W, were it to think for itself, might have come to.

W's own search (Gumbel MuZero, with W's policy and values) ends on a policy pi over the n legal
moves. Advice a is taken where n pi(a), how much likelier a is than if any move would do, is at
least `odds`. That is the likelihood ratio of "A means what W would find" against "A says anything",
so W needs no guess of how often A lies. Who thinks is W as it now is, to which a move may be
plausible that once was strange; or W before the first round, to which no lie has become plausible
that it took since.

W may also hear what A says that the position is worth (`claims`). An A that lies for somebody else
tells that one's value, the opposite of the truth, and of that W's own value v_W tells something
even where a move tells nothing: the odds are multiplied by exp(claim_weight v_A v_W), the
likelihood ratio of "v_A is what W sees, with normal errors" against "it is the opposite".

Where it refuses advice W may learn what its search found (`refused`), as an AlphaZero network does
of its own games. With odds beyond the number of moves it takes no advice, and what it then gains is
its search's alone: the control of all that it gains with advice.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

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
from sandwich_jax.search import Found, search
from sandwich_jax.settings import Knob, knob, settings, size, word
from sandwich_jax.types import Advice, Decision, Outputs, PRNGKey
from sandwich_jax.words import MOST_SIMULATIONS

Plays = Literal["own", "advice"]
PLAYS: tuple[Plays, ...] = ("own", "advice")
Judge = Literal["now", "first"]
JUDGES: tuple[Judge, ...] = ("now", "first")
Refused = Literal["advice", "thought"]
REFUSED: tuple[Refused, ...] = ("advice", "thought")
Claims = Literal["unheard", "weighed"]
CLAIMS: tuple[Claims, ...] = ("unheard", "weighed")


@settings
class SearchGate:
    """Who thinks for how long, what it lets pass, and what becomes of that."""

    odds: Knob = knob(
        2.5, 0.0, 1e4, "how much likelier W must think the move that it takes than if any would do"
    )
    looks: int = size(
        32, "positions that W's own search looks at before it judges a move; 0: its policy alone",
        low=0, high=MOST_SIMULATIONS,
    )  # fmt: skip
    judge: Judge = word(
        "now", "who judges: W as it now is, or as it was before the first round", JUDGES
    )
    plays: Plays = word(
        "own",
        "what W plays where it takes advice: its own move all the same, so that advice is learnt"
        " (by objectives that learn what W took) and not played, or the advice",
        PLAYS,
    )
    refused: Refused = word(
        "advice",
        "what is learnt where W refuses advice, by objectives that learn all that was told: the"
        " advice all the same, or the policy and value that W's own search found",
        REFUSED,
    )
    any_move: Knob = knob(
        0.0, 0.0, 1.0, "share of A's policy that W takes to be any move at all, in the odds"
    )
    claims: Claims = word(
        "unheard",
        "whether what A says that the position is worth counts: for the advice where it points the"
        " way that W's own value does, else against it",
        CLAIMS,
    )
    claim_weight: Knob = knob(8.0, 0.0, 80.0, "of claims, in nats where both values are 1 or -1")


class _Thought(NamedTuple):
    """What W found by itself."""

    chance: Float[Array, "B"]
    """pi of the advised move."""
    value: Float[Array, "B"]
    log_policy: Float[Array, "B A"] | None
    """Of all labels, where it is to be learnt."""


def _thought(key: PRNGKey, own: Own, advice: Advice, sizes: SearchGate) -> _Thought:
    if sizes.judge == "now":
        think, root = own.think, Outputs(own.logits, own.value)
    else:
        think = own.first
        root = think(own.state)
        own = own._replace(logits=sampling.mask_logits(root.logits, own.legal))
    learnt, move = sizes.refused == "thought", advice.move[0]
    if not sizes.looks:
        whole = jax.nn.log_softmax(own.logits) if learnt else None
        return _Thought(jnp.exp(log_prior(own, move)), root.value, whole)

    def thought() -> _Thought:
        found = search(key, own.game, own.state, root, lambda _, s: think(s), sizes.looks)
        chance = jnp.where(found.labels == move[:, None], found.weights, 0.0).sum(-1)
        return _Thought(chance, found.value, _log_policy(found, own) if learnt else None)

    return if_any(advice.asked, thought)


def _log_policy(found: Found, own: Own) -> Float[Array, "B A"]:
    """Log-probabilities of all labels."""
    rows, count = jnp.arange(len(found.labels))[:, None], own.legal.shape[1]
    places = jnp.where(found.labels >= 0, found.labels, count)  # beyond the end: dropped
    likely = jnp.log(jnp.maximum(found.weights, 1e-9))
    blank = jnp.full(own.legal.shape, sampling.ILLEGAL, likely.dtype)
    return blank.at[rows, places].set(likely, mode="drop")


def _search_gate(settings: SearchGate) -> Protocol:
    """Takes advice that W's own thought makes likely enough."""
    hears = settings.claims == "weighed"

    def decide(
        key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: SearchGate
    ) -> tuple[Decision, Any]:
        chance, value, log_policy = _thought(key, own, advice, settings)
        odds = (1.0 - knobs.any_move) * own.legal.sum(-1) * chance + knobs.any_move
        if hears:
            assert advice.value is not None
            odds *= jnp.exp(knobs.claim_weight * advice.value[0] * value)
        decision = follow_if(odds >= knobs.odds, own, advice, odds)
        if log_policy is not None:
            decision = decision._replace(thought=Outputs(log_policy, value))
        if settings.plays == "own":
            decision = decision._replace(move=own.move)
        return decision, memory.game

    return Protocol(
        ask_everywhere,
        decide,
        wants=("move", "value") if hears else ("move",),
        further=int(hears),
        of_games=hears or settings.looks > 0 or settings.judge == "first",
        settings=settings,
        says="Takes a move that W's own search finds likely enough, to learn or to play it.",
        source="Gumbel MuZero, Danihelka et al. 2022, by mctx",
    )


search_gate = Sized(SearchGate, _search_gate)
