"""How W uses advice that it cannot trust.

A protocol is three pure functions over a batch of lanes; it sees W's own view, what A said, and
its own memory, and never the `Truth`. Adding one is a definition here and a line in `PROTOCOLS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from sandwich_jax.types import Advice, Decision, Knobs, PRNGKey, Query, Rollout

Memory = PyTree[Array]
"""Whatever a protocol remembers of a lane, leading axis B; starts afresh with each game."""


class Own(NamedTuple):
    """W's own view of its turn."""

    logits: Float[Array, "B A"]
    legal: Bool[Array, "B A"]
    value: Float[Array, "B"]
    """For W, in [-1, 1]."""
    move: Int[Array, "B"]
    """What W would play by itself (drawn from its policy)."""


class Protocol(NamedTuple):
    """A way of using advice."""

    plan: Callable[[Own, Memory, Knobs], Query]
    """Whom to ask what."""
    decide: Callable[[PRNGKey, Own, Advice, Memory, Knobs], tuple[Decision, Memory]]
    """What to play, given the answer."""
    learn: Callable[[Memory, Rollout], Memory]
    """What to carry from one round to the next."""
    memory: Callable[[int], Memory]
    """`memory(batch)`: what a new game starts with."""
    asks: bool = True
    """Static: whether the assistant is ever needed."""


def _no_memory(batch: int) -> Memory:
    return ()


def _nothing_learnt(memory: Memory, rollout: Rollout) -> Memory:
    return memory


def _ask_everywhere(own: Own, memory: Memory, knobs: Knobs) -> Query:
    return Query(ask=jnp.ones(own.move.shape, bool))


def _ask_nowhere(own: Own, memory: Memory, knobs: Knobs) -> Query:
    return Query(ask=jnp.zeros(own.move.shape, bool))


def _follow(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Knobs
) -> tuple[Decision, Memory]:
    """Plays the advised move wherever there is one."""
    move = jnp.where(advice.asked, advice.move[0], own.move)
    return Decision(move, followed=advice.asked), memory


always_follow = Protocol(_ask_everywhere, _follow, _nothing_learnt, _no_memory)
never_ask = Protocol(_ask_nowhere, _follow, _nothing_learnt, _no_memory, asks=False)

PROTOCOLS: Mapping[str, Protocol] = {"always_follow": always_follow, "never_ask": never_ask}
