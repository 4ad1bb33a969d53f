"""One ply ahead: Q(s, a) = -v(s'), for the mover, of some moves or of all legal ones."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from sandwich_jax.games import Game
from sandwich_jax.models import Model
from sandwich_jax.sampling import ILLEGAL
from sandwich_jax.types import State

Evaluate = Callable[[State], Float[Array, "N"]]
"""States -> values for the side to move, in [-1, 1]."""
Look = Callable[[Int[Array, "N"], Int[Array, "N"]], tuple[Shaped[Array, "N"], ...]]
"""`(lanes, labels)` to what is found of each label in the position of its lane."""


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


def values_where(
    game: Game,
    evaluate: Evaluate,
    state: State,
    labels: Int[Array, "B C"],
    wanted: Bool[Array, "B"],
) -> Float[Array, "B C"]:
    """`values_after` on the lanes that are wanted, at no cost on the others; 0 there."""

    def look(lanes: Int[Array, "N"], labels: Int[Array, "N"]) -> tuple[Float[Array, "N"]]:
        return (values_after(game, evaluate, game.take(state, lanes), labels[:, None])[:, 0],)

    batch, count = labels.shape
    pairs = jnp.broadcast_to(wanted[:, None], (batch, count))
    return over_pairs(look, labels, pairs, (0.0,), max(batch // 4, 16))[0]


def action_values(
    game: Game,
    models: tuple[Model, ...],
    state: State,
    wanted: Bool[Array, "B"] | None = None,
) -> tuple[Float[Array, "B A"], ...]:
    """Q of every legal label by each model, `ILLEGAL` elsewhere and on lanes not `wanted`.

    Successors are made once for all models.
    """

    def look(lanes: Int[Array, "N"], labels: Int[Array, "N"]) -> tuple[Float[Array, "N"], ...]:
        mine = game.take(state, lanes)
        found = _of_models(game, models, mine, labels[:, None])
        return tuple(x[:, 0] for x in found)

    return over_moves(game, state, look, (ILLEGAL,) * len(models), wanted)


def over_moves(
    game: Game,
    state: State,
    look: Look,
    blanks: tuple[float | bool, ...],
    wanted: Bool[Array, "B"] | None = None,
) -> tuple[Array, ...]:
    """What `look` finds of every legal label, [B, A] each; `blanks` elsewhere.

    Args:
        game: rules.
        state: B positions.
        look: what finds it.
        blanks: what stands at illegal labels, one for each of its arrays.
        wanted: lanes to look at; None: all of them.
    """
    moves = game.moves(state)
    batch = moves.shape[0]
    legal = moves >= 0 if wanted is None else (moves >= 0) & wanted[:, None]
    found = over_pairs(look, moves, legal, blanks, 2 * batch)
    rows = jnp.arange(batch)[:, None]
    place = jnp.where(legal, moves, game.num_actions)  # out of range: dropped
    blank = (jnp.full((batch, game.num_actions), x) for x in blanks)
    return tuple(
        x.at[rows, place].set(new, mode="drop") for x, new in zip(blank, found, strict=True)
    )


def over_pairs(
    look: Look,
    labels: Int[Array, "B C"],
    wanted: Bool[Array, "B C"],
    blanks: tuple[float | bool, ...],
    size: int,
) -> tuple[Shaped[Array, "B C"], ...]:
    """What `look` finds of the labels that are wanted, `blanks` elsewhere.

    Positions have about thirty moves where there is room for 218, and not all positions are of
    interest: the wanted ones of all lanes are looked at together, `size` at a time.
    """
    batch, width = labels.shape
    last = batch * width
    order = jnp.nonzero(wanted.reshape(-1), size=last, fill_value=last)[0]
    order = jnp.pad(order, (0, -last % size), constant_values=last)

    def chunk(i: Array, found: tuple[Array, ...]) -> tuple[Array, ...]:
        place = jax.lax.dynamic_slice_in_dim(order, i * size, size)
        pair = jnp.minimum(place, last - 1)
        new = look(pair // width, labels.reshape(-1)[pair])
        return tuple(
            x.at[place].set(y, mode="drop")  # beyond the last of the wanted: dropped
            for x, y in zip(found, new, strict=True)
        )

    blank = tuple(jnp.full(last, x) for x in blanks)
    found = jax.lax.fori_loop(0, -(-wanted.sum() // size), chunk, blank)
    return tuple(x.reshape(batch, width) for x in found)


def _of_models(
    game: Game, models: tuple[Model, ...], state: State, labels: Array
) -> tuple[Float[Array, "B C"], ...]:
    """`values_after` by each model; XLA makes the successors that they share once."""

    def by(model: Model) -> Float[Array, "B C"]:
        return values_after(game, lambda after: model.at(game, after).value, state, labels)

    return tuple(by(model) for model in models)
