"""Searches in which A gives one half of what a node says, and W the other.

Gumbel MuZero, see `sandwich_jax.search`. A is asked about every position that the search comes to.
"""

from __future__ import annotations

from typing import Any, Literal

import jax.numpy as jnp
from jaxtyping import Array, Int

from sandwich_jax.oversight.interface import (
    Memory,
    Own,
    Protocol,
    Sized,
    ask_everywhere,
    if_any,
)
from sandwich_jax.search import search as tree_search
from sandwich_jax.settings import settings, size
from sandwich_jax.types import Advice, Decision, Outputs, PRNGKey, Query, State

Half = Literal["prior", "value"]
"""What A gives: the policy by which moves are tried first, or what positions are worth."""


@settings
class Search:
    """How far it goes."""

    simulations: int = size(16, "positions that the search looks at")


def search(advised: Half, says: str) -> Sized:
    """The search in which A gives `advised`."""

    def build(settings: Search) -> Protocol:
        def decide(
            key: PRNGKey, own: Own, advice: Advice, memory: Memory, knobs: Search
        ) -> tuple[Decision, Any]:
            found = if_any(
                advice.asked,
                lambda: _best_move(key, own, advice, advised, settings.simulations),
            )
            move = jnp.where(advice.asked, found, own.move)
            followed = advice.asked & (move == advice.move[0])
            return Decision(move, followed), memory.game

        return Protocol(
            ask_everywhere,
            decide,
            of_games=True,
            wants=("move", "logits" if advised == "prior" else "value"),
            further=settings.simulations,
            settings=settings,
            says=says,
            source="Gumbel MuZero, Danihelka et al. 2022, by mctx",
        )

    return Sized(Search, build)


def _best_move(
    key: PRNGKey, own: Own, advice: Advice, advised: Half, simulations: int
) -> Int[Array, "B"]:
    """The label that the search ends on."""

    def think(key: PRNGKey, state: State) -> Outputs:
        outputs = own.think(state)
        asked = jnp.ones(own.move.shape[0], bool)
        query = Query(asked, ("logits",) if advised == "prior" else ("value",))
        return _join(advised, own.ask(key, state, query), outputs)

    root = _join(advised, advice, Outputs(own.logits, own.value))
    return tree_search(key, own.game, own.state, root, think, simulations).move


def _join(advised: Half, advice: Advice, own: Outputs) -> Outputs:
    """A's half and W's."""
    if advised == "prior":
        assert advice.logits is not None
        return own._replace(logits=advice.logits[0])
    assert advice.value is not None
    return own._replace(value=advice.value[0])
