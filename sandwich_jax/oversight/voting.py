"""Protocols that ask A several times about one position, or for more than one move."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from sandwich_jax import sampling
from sandwich_jax.oversight.interface import (
    Memory,
    Own,
    Protocol,
    Sized,
    ask_everywhere,
    follow_if,
    log_prior,
)
from sandwich_jax.settings import Knob, knob, settings, size
from sandwich_jax.types import Advice, Decision, PRNGKey, Query


@settings
class Samples:
    """Of those that compare A's answers."""

    samples: int = size(5, "how often A is asked about one position")


# --- majority -------------------------------------------------------------------------------------


def most_frequent(moves: Int[Array, "K B"]) -> Int[Array, "B"]:
    """The label that most samples name; of equals the one that was named first."""
    votes = (moves[:, None] == moves[None]).sum(0)
    place = jnp.argmax(votes, axis=0)
    return jnp.take_along_axis(moves, place[None], axis=0)[0]


def _decide_majority(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Samples
) -> tuple[Decision, Any]:
    move = jnp.where(advice.asked, most_frequent(advice.move), own.move)
    # A majority against the first sample does not follow that one, which the measurer looks at.
    return Decision(move, advice.asked & (move == advice.move[0])), memory.game


def _majority(settings: Samples) -> Protocol:
    """Plays what A says most often when asked `samples` times."""
    return Protocol(
        ask_everywhere,
        _decide_majority,
        samples=settings.samples,
        settings=settings,
        says="Asks several times and plays the most frequent answer.",
        source="self-consistency, Wang et al. 2022",
    )


majority = Sized(Samples, _majority)


# --- defer_on_suspicion ---------------------------------------------------------------------------


@settings
class DeferOnSuspicion(Samples):
    """What makes W suspicious."""

    tau: Knob = knob(0.05, 0.0, 2.0, "least probability by W of every answer that it follows")


def _decide_suspicion(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: DeferOnSuspicion
) -> tuple[Decision, Any]:
    suspicious = jnp.exp(log_prior(own, advice.move)) < knobs.tau
    disagreeing = advice.move != advice.move[0]
    return follow_if(~(suspicious | disagreeing).any(0), own, advice), memory.game


def _defer(settings: DeferOnSuspicion) -> Protocol:
    """Follows only if `samples` answers agree, all with a prior of W's of at least tau."""
    return Protocol(
        ask_everywhere,
        _decide_suspicion,
        samples=settings.samples,
        settings=settings,
        says="Asks several times and follows if all answers agree and are likely to W.",
        source="resampling and deferring, Greenblatt et al. 2023 and Bhatt et al. 2025",
    )


defer_on_suspicion = Sized(DeferOnSuspicion, _defer)


# --- product --------------------------------------------------------------------------------------


@settings
class Product:
    """How much A's opinion counts."""

    beta_product: Knob = knob(1.0, 0.0, 1000.0, "weight of A's log-probabilities beside W's own")


def _decide_product(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Product
) -> tuple[Decision, Any]:
    assert advice.logits is not None
    joint = own.logits + knobs.beta_product * advice.logits[0]
    drawn = sampling.sample(own.uniform, joint, own.legal, own.temperature)
    move = jnp.where(advice.asked, drawn, own.move)
    return Decision(move, advice.asked & (move == advice.move[0])), memory.game


product = Protocol(
    ask_everywhere,
    _decide_product,
    wants=("move", "logits"),
    settings=Product(),
    says="Draws from the product of W's policy and A's, so that either may veto.",
    source="a product of experts, Hinton 2002",
)


# --- candidates -----------------------------------------------------------------------------------


@settings
class Candidates:
    """What A is asked about."""

    candidates: int = size(4, "moves that W names for A to value")


def _decide_candidates(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Candidates
) -> tuple[Decision, Any]:
    # Asked for values alone, A names the candidate that it gives the highest one.
    return follow_if(jnp.ones(own.move.shape, bool), own, advice), memory.game


def _candidates(settings: Candidates) -> Protocol:
    """W names its `candidates` most likely moves, and plays the one that A values highest."""
    k = settings.candidates

    def plan(own: Own, memory: Memory, knobs: Candidates) -> Query:
        logits, labels = jax.lax.top_k(own.logits, min(k, own.logits.shape[-1]))
        named = jnp.where(logits > sampling.ILLEGAL, labels, -1)
        return Query(jnp.ones(own.move.shape, bool), candidates=named)

    return Protocol(
        plan,
        _decide_candidates,
        wants=("candidates",),
        further=k - 1,
        settings=settings,
        says="W names its likeliest moves, A values each, W plays the one with the highest value.",
    )


candidates = Sized(Candidates, _candidates)
