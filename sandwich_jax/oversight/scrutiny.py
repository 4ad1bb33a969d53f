"""cross_examination: A's claims against one another, and against what happened."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sandwich_jax.oversight.interface import Memory, Own, Protocol, follow_if
from sandwich_jax.types import Advice, Decision, Knobs, PRNGKey, Query


class _Past(NamedTuple):
    claim: Float[Array, "B"]
    """What A said W would stand at after the last advice that was followed."""
    open: Bool[Array, "B"]
    """What became of it is yet to be seen."""
    surprise: Float[Array, "B"]
    """How far what happened fell from A's claims, later ones counting more."""


def _begin(batch: int) -> _Past:
    zeros = jnp.zeros(batch)
    return _Past(zeros, jnp.zeros(batch, bool), zeros)


def _plan(own: Own, memory: Memory, knobs: Knobs) -> Query:
    return Query(jnp.ones(own.move.shape, bool), ("move", "value", "after"))


def _decide(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Knobs
) -> tuple[Decision, Any]:
    assert advice.value is not None and advice.after is not None
    past: _Past = memory.game
    error = jnp.where(past.open, jnp.abs(past.claim - own.value), 0.0)
    surprise = (past.surprise + error) / 2
    contradiction = jnp.abs(advice.value[0] - advice.after[0])
    decision = follow_if(jnp.maximum(contradiction, surprise) <= knobs["slack"], own, advice)
    claim = jnp.where(decision.followed, advice.after[0], 0.0)
    return decision, _Past(claim, decision.followed, surprise)


cross_examination = Protocol(_plan, _decide, _begin, uses=("slack",), answers=3)
"""Three answers: a move, and the value of the position before and after it."""
