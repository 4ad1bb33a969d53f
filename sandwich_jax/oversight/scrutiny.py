"""cross_examination: A's claims against one another, and against what happened."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sandwich_jax.oversight.interface import Memory, Own, Protocol, ask_everywhere, follow_if
from sandwich_jax.settings import Knob, knob, settings
from sandwich_jax.types import Advice, Decision, PRNGKey


@settings
class CrossExamination:
    """What W lets pass."""

    slack: Knob = knob(
        0.4, -1.0, 2.0, "how far A's claims may be from one another and from what happened, of 2"
    )


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


def _decide(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: CrossExamination
) -> tuple[Decision, Any]:
    assert advice.value is not None and advice.after is not None
    past: _Past = memory.game
    error = jnp.where(past.open, jnp.abs(past.claim - own.value), 0.0)
    surprise = (past.surprise + error) / 2
    contradiction = jnp.abs(advice.value[0] - advice.after[0])
    decision = follow_if(jnp.maximum(contradiction, surprise) <= knobs.slack, own, advice)
    claim = jnp.where(decision.followed, advice.after[0], 0.0)
    return decision, _Past(claim, decision.followed, surprise)


cross_examination = Protocol(
    ask_everywhere,
    _decide,
    _begin,
    wants=("move", "value", "after"),
    further=2,
    settings=CrossExamination(),
    says="Refuses an A that contradicts itself, or whose claims what happened belied.",
    source="debate's cross-examination, Barnes and Christiano 2020",
)
"""Three answers: a move, and the value of the position before and after it."""
