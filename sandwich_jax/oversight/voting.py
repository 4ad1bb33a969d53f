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
    ProtocolConfig,
    follow_if,
    log_prior,
)
from sandwich_jax.types import Advice, Decision, Knobs, PRNGKey, Query


def _ask_for(wants: tuple[str, ...] = ("move",), samples: int = 1) -> Any:
    def plan(own: Own, memory: Memory, knobs: Knobs) -> Query:
        return Query(jnp.ones(own.move.shape, bool), wants, samples)

    return plan


# --- majority -------------------------------------------------------------------------------------


def most_frequent(moves: Int[Array, "K B"]) -> Int[Array, "B"]:
    """The label that most samples name; of equals the one that was named first."""
    votes = (moves[:, None] == moves[None]).sum(0)
    place = jnp.argmax(votes, axis=0)
    return jnp.take_along_axis(moves, place[None], axis=0)[0]


def _decide_majority(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Knobs
) -> tuple[Decision, Any]:
    move = jnp.where(advice.asked, most_frequent(advice.move), own.move)
    # A majority against the first sample does not follow that one, which the measurer looks at.
    return Decision(move, advice.asked & (move == advice.move[0])), memory.game


def majority(config: ProtocolConfig) -> Protocol:
    """Plays what A says most often when asked `samples` times."""
    k = config.samples
    return Protocol(_ask_for(samples=k), _decide_majority, uses=("samples",), answers=k)


# --- defer_on_suspicion ---------------------------------------------------------------------------


def _decide_suspicion(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Knobs
) -> tuple[Decision, Any]:
    suspicious = jnp.exp(log_prior(own, advice.move)) < knobs["tau"]
    disagreeing = advice.move != advice.move[0]
    return follow_if(~(suspicious | disagreeing).any(0), own, advice), memory.game


def defer_on_suspicion(config: ProtocolConfig) -> Protocol:
    """Follows only if `samples` answers agree, all with a prior of W's of at least tau."""
    k = config.samples
    return Protocol(_ask_for(samples=k), _decide_suspicion, uses=("samples", "tau"), answers=k)


# --- product --------------------------------------------------------------------------------------


def _decide_product(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Knobs
) -> tuple[Decision, Any]:
    assert advice.logits is not None
    joint = own.logits + knobs["beta_product"] * advice.logits[0]
    drawn = sampling.sample(own.uniform, joint, own.legal, knobs["temperature"])
    move = jnp.where(advice.asked, drawn, own.move)
    return Decision(move, advice.asked & (move == advice.move[0])), memory.game


product = Protocol(_ask_for(("move", "logits")), _decide_product, uses=("beta_product",))


# --- candidates -----------------------------------------------------------------------------------


def _decide_candidates(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Knobs
) -> tuple[Decision, Any]:
    # Asked for values alone, A names the candidate that it gives the highest one.
    return follow_if(jnp.ones(own.move.shape, bool), own, advice), memory.game


def candidates(config: ProtocolConfig) -> Protocol:
    """W names its `candidates` most likely moves, and plays the one that A values highest."""
    k = config.candidates

    def plan(own: Own, memory: Memory, knobs: Knobs) -> Query:
        logits, labels = jax.lax.top_k(own.logits, min(k, own.logits.shape[-1]))
        named = jnp.where(logits > sampling.ILLEGAL, labels, -1)
        return Query(jnp.ones(own.move.shape, bool), ("candidates",), 1, named)

    return Protocol(plan, _decide_candidates, uses=("candidates",), answers=k)
