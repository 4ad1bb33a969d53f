"""One ply ahead: Q(s, a) = -v(s'), for the mover, of some moves or of all legal ones."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sandwich_jax.games import Game
from sandwich_jax.sampling import ILLEGAL
from sandwich_jax.types import Params, State

CHUNK = 8
"""Moves of every position looked at together: positions have about thirty, the room for all of
them would be 218."""

Evaluate = Callable[[State], Float[Array, "N"]]
"""States -> values for the side to move, in [-1, 1]."""


def values_after(
    game: Game, evaluate: Evaluate, state: State, labels: Int[Array, "B C"]
) -> Float[Array, "B C"]:
    """Value for the mover of playing each label: the result where that ends the game, else -v(s').

    Of no meaning for labels that are not legal.
    """
    batch, count = labels.shape
    lanes = jnp.repeat(jnp.arange(batch), count)
    after = game.step(game.take(state, lanes), jnp.maximum(labels, 0).reshape(-1))
    result = game.result(after)
    result = jnp.where(jnp.repeat(game.first_to_move(state), count), result, -result)
    values = jnp.where(game.done(after), result, -evaluate(after))
    return values.reshape(batch, count)


def action_values(
    game: Game, apply: Callable, networks: tuple[Params, ...], state: State
) -> tuple[Float[Array, "B A"], ...]:
    """Q of every legal label by each network, `ILLEGAL` elsewhere.

    Successors are made once for all networks.
    """

    def look(labels: Int[Array, "B C"]) -> tuple[Float[Array, "B C"], ...]:
        return _of_networks(game, apply, networks, state, labels)

    return over_moves(game, state, look, (ILLEGAL,) * len(networks))


def over_moves(
    game: Game, state: State, look: Callable, blanks: tuple[float | bool, ...]
) -> tuple[Array, ...]:
    """What `look` finds of every legal label, [B, A] each; `blanks` elsewhere.

    `CHUNK` moves of every position are looked at together, until the position with the most moves
    has none left.

    Args:
        game: rules.
        state: B positions.
        look: labels [B, C], -1 for none, to a tuple of arrays [B, C].
        blanks: what stands at illegal labels, one for each of these arrays.
    """
    moves = game.moves(state)
    batch, width = moves.shape
    rows = jnp.arange(batch)[:, None]
    blank = tuple(jnp.full((batch, game.num_actions), x) for x in blanks)
    padded = jnp.pad(moves, ((0, 0), (0, -width % CHUNK)), constant_values=-1)

    def more(carry: tuple) -> Array:
        return (carry[0] < width) & (carry[1] >= 0).any()

    def step(carry: tuple) -> tuple:
        start, labels, found = carry
        place = jnp.where(labels >= 0, labels, game.num_actions)  # out of range: dropped
        found = tuple(
            q.at[rows, place].set(v, mode="drop") for q, v in zip(found, look(labels), strict=True)
        )
        start = start + CHUNK
        following = jax.lax.dynamic_slice_in_dim(padded, start, CHUNK, axis=1)
        return start, following, found

    return jax.lax.while_loop(more, step, (jnp.int32(0), padded[:, :CHUNK], blank))[2]


def _of_networks(
    game: Game, apply: Callable, networks: tuple[Params, ...], state: State, labels: Array
) -> tuple[Float[Array, "B C"], ...]:
    """`values_after` by each network; XLA makes the successors that they share once."""

    def by(params: Params) -> Float[Array, "B C"]:
        evaluate = lambda after: apply(params, game.features(after)).value  # noqa: E731
        return values_after(game, evaluate, state, labels)

    return tuple(by(params) for params in networks)
