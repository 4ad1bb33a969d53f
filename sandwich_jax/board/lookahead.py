"""Every legal successor of a position at once, for looking one ply ahead."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from . import geometry as g
from .sample import NO_MOVE, nth_bit
from .staging import batch_last, stage
from .state import State, step

MOST_MOVES = 218  # no legal chess position has more


class Successors(NamedTuple):
    """The positions after each legal move of B positions, `width` places for each."""

    labels: jax.Array  # int32[B, width], -1 where there is no further move
    valid: jax.Array  # bool[B, width]
    states: State  # of B * width games, position by position: lane b * width + i


def legal_labels(words: jax.Array, width: int = MOST_MOVES) -> jax.Array:
    """int32[B, width]: the labels of the legal moves, -1 after the last; uint32[73, 2, B] in.

    Moves stand in the order of their planes. With a `width` below 218 further moves are left out.
    """

    return jnp.moveaxis(_compact(width)(words), 0, -1)


@functools.cache
def _compact(width: int):
    @batch_last
    def compact(words):
        flat = words.reshape(2 * g.PLANES, words.shape[-1])
        ends = jnp.cumsum(jax.lax.population_count(flat).astype(jnp.int32), 0)
        return stage(lambda flat, ends: _select(flat, ends, width), flat, ends)

    return compact


def _select(flat: jax.Array, ends: jax.Array, width: int) -> jax.Array:
    """int32[width, B]: the label at each rank, from the words and their running counts."""
    rank = jnp.arange(width, dtype=jnp.int32)[:, None]
    index = sum((ends[i] <= rank).astype(jnp.int32) for i in range(2 * g.PLANES))
    clipped = jnp.minimum(index, 2 * g.PLANES - 1)
    word = jnp.take_along_axis(flat, clipped, 0)
    begin = jnp.take_along_axis(ends, clipped, 0) - jax.lax.population_count(word).astype(jnp.int32)
    bit = nth_bit(word, rank - begin)
    label = (bit + 32 * (index & 1)) * g.PLANES + (index >> 1)
    return jnp.where(rank < ends[-1], label, NO_MOVE)


def successors(
    state: State, width: int = MOST_MOVES, *, raw_en_passant: bool = False
) -> Successors:
    """All legal successors of each position, with their own legal moves, draws and history.

    A finished game has none. Places that are not valid hold the position itself. Each place costs
    a state (1,460 bytes): B = 64 with width 218 is 20 MB.

    Args:
        state: B games.
        width: places a position; moves beyond it are left out, of which 218 leaves none.
        raw_en_passant: as in `step`.
    """
    batch = state.ply.shape[-1]
    labels = legal_labels(state.words, width)
    labels = jnp.where((state.reason == 0)[:, None], labels, NO_MOVE)
    copies = jax.tree.map(lambda x: jnp.repeat(x, width, -1), state)
    after = step(copies, labels.reshape(batch * width), raw_en_passant=raw_en_passant)
    return Successors(labels, labels >= 0, after)
