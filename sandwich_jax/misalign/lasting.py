"""How long a corruption lasts: the keys that it is drawn from, and what A remembers of a game.

A corruption drawn anew for every query, one that a position always has, and one that a whole game
has differ in nothing but the key.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, UInt

from sandwich_jax.games import Game
from sandwich_jax.types import PRNGKey, Query, State
from sandwich_jax.words import LASTS, Lasts

__all__ = ["LASTS", "Lasts", "Memory"]


class Memory(NamedTuple):
    """What A remembers of each game."""

    queries: Int[Array, "B"]
    corruptions: Int[Array, "B"]
    key: UInt[Array, "B 2"]
    """Data of the game's own key, drawn at its first query; 0 before."""


def memory(batch: int) -> Memory:
    """What A starts a game with."""
    zeros = jnp.zeros(batch, jnp.int32)
    return Memory(zeros, zeros, jnp.zeros((batch, 2), jnp.uint32))


def keys(
    key: PRNGKey,
    run: PRNGKey,
    game: Game,
    state: State,
    lasts: Lasts,
    query: Query,
    known: Memory,
) -> tuple[PRNGKey, Memory]:
    """Keys [K, B] that corruptions are drawn from, and the memory with the games' own."""
    batch, samples = query.ask.shape[0], query.samples
    fresh = jax.random.split(key, batch)
    if lasts == "query":
        return jax.vmap(lambda k: jax.random.split(k, samples), out_axes=1)(fresh), known
    if lasts == "position":
        found = _of_positions(run, game, state)
    else:
        blank = (known.key == 0).all(-1, keepdims=True)
        data = jnp.where(blank, jax.random.key_data(fresh), known.key)
        kept = jnp.where(query.ask[:, None], data, known.key)
        found, known = jax.random.wrap_key_data(data), known._replace(key=kept)
    return jnp.broadcast_to(found, (samples, batch)), known


def keys_after(
    given: PRNGKey, run: PRNGKey, game: Game, after: State, lasts: Lasts, labels: Int[Array, "B C"]
) -> PRNGKey:
    """Keys [K, B, C] that corruptions of successors' values are drawn from.

    Args:
        given: those of the positions themselves, [K, B].
        run: the key of the run.
        game: rules.
        after: the successors, [B C].
        lasts: how long a corruption lasts.
        labels: the moves that lead to them.
    """
    samples, shape = given.shape[0], labels.shape
    if lasts == "game":
        return jnp.broadcast_to(given[..., None], (samples, *shape))
    if lasts == "position":
        own = _of_positions(run, game, after).reshape(shape)
        return jnp.broadcast_to(own, (samples, *shape))
    fold = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)))
    return jax.vmap(fold, (0, None))(given, labels)


def _of_positions(run: PRNGKey, game: Game, state: State) -> PRNGKey:
    """One key a position, the same wherever and whenever it is met."""
    fold = jax.vmap(jax.random.fold_in, (None, 0))
    words = game.position_hash(state)
    return jax.vmap(jax.random.fold_in)(fold(run, words[:, 0]), words[:, 1])
