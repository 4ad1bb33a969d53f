"""How W uses advice that it cannot trust.

A protocol is three pure functions over a batch of lanes; it sees W's own view, what A said, and
its own memory, and never the `Truth`. Adding one is a definition here, or in a file beside this
one, and a line in `PROTOCOLS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from sandwich_jax.games import Game
from sandwich_jax.types import Advice, Decision, Knobs, Outputs, PRNGKey, Query, Rollout, State


class Memory(NamedTuple):
    """Whatever a protocol remembers."""

    game: PyTree[Array]
    """Of each lane's game, leading axis B; starts afresh with each game."""
    lore: PyTree[Array]
    """What it learnt from the rounds before; one for all lanes."""


class Own(NamedTuple):
    """W's own view of its turn, and its means of thinking on; only what is used is computed."""

    logits: Float[Array, "B A"]
    """Illegal labels at `sampling.ILLEGAL`."""
    legal: Bool[Array, "B A"]
    value: Float[Array, "B"]
    """For W, in [-1, 1]."""
    move: Int[Array, "B"]
    """What W would play by itself (drawn from its policy)."""
    game: Game
    state: State
    think: Callable[[State], Outputs]
    """W's own network, for the side to move."""
    after: Callable[[Int[Array, "B C"]], Float[Array, "B C"]]
    """W's own value, for W, of playing each label."""
    ask: Callable[[PRNGKey, State, Query], Advice]
    """Asks A about other positions, as a search does."""


class Protocol(NamedTuple):
    """A way of using advice."""

    plan: Callable[[Own, Memory, Knobs], Query]
    """What to ask, and on which lanes."""
    decide: Callable[[PRNGKey, Own, Advice, Memory, Knobs], tuple[Decision, PyTree[Array]]]
    """What to play, given the answer; and what to remember of the game."""
    memory: Callable[[int], PyTree[Array]] = lambda batch: ()
    """`memory(batch)`: what a new game starts with."""
    lore: Callable[[], PyTree[Array]] = lambda: ()
    """What is known before the first round."""
    learn: Callable[[PyTree[Array], Rollout, Knobs], PyTree[Array]] = lambda lore, rollout, knobs: (
        lore
    )
    """`(lore, rollout, knobs) -> lore`, after every round."""
    asks: bool = True
    """Static: whether the assistant is ever needed."""
    told: bool = False
    """Static: a control that is told the truth. `decide` then finds which samples are corrupted,
    [K, B], as a further argument; its name begins with oracle."""


def _ask_everywhere(own: Own, memory: Memory, knobs: Knobs) -> Query:
    return Query(ask=jnp.ones(own.move.shape, bool))


def _ask_nowhere(own: Own, memory: Memory, knobs: Knobs) -> Query:
    return Query(ask=jnp.zeros(own.move.shape, bool))


def _follow(
    key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Knobs
) -> tuple[Decision, Any]:
    """Plays the advised move wherever there is one."""
    move = jnp.where(advice.asked, advice.move[0], own.move)
    return Decision(move, followed=advice.asked), memory.game


always_follow = Protocol(_ask_everywhere, _follow)
never_ask = Protocol(_ask_nowhere, _follow, asks=False)

PROTOCOLS: Mapping[str, Protocol] = {"always_follow": always_follow, "never_ask": never_ask}
