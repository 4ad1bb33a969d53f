"""Drawing moves with one uniform number a position.

Both samplers invert a cumulative distribution: one over the packed bits of the legal moves, one
over the logits of a network. Neither ever returns an illegal move; where there is none they
return -1.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from . import geometry as g
from .expand import expand
from .staging import batch_last, stage

NO_MOVE = -1


@batch_last
def _sample_counted(uniform: jax.Array, words: jax.Array, count: jax.Array) -> jax.Array:
    flat = words.reshape(2 * g.PLANES, words.shape[-1])
    rank = jnp.floor(uniform * count.astype(jnp.float32)).astype(jnp.int32)
    return nth_move(flat, jnp.clip(rank, 0, count - 1))


@batch_last
def _number(words: jax.Array) -> jax.Array:
    flat = words.reshape(2 * g.PLANES, words.shape[-1])
    return stage(lambda rows: functools.reduce(jnp.add, map(_count, rows)), flat)


def sample_uniform(
    uniform: jax.Array, words: jax.Array, count: jax.Array | None = None
) -> jax.Array:
    """A legal move with equal chances.

    Args:
        uniform: float32[B] in [0, 1).
        words: uint32[73, 2, B] legal moves.
        count: int32[B], how many they are, if known (`State.count`): saves reading them once more.

    Returns:
        int32[B] labels; -1 where no move is legal.
    """
    return _sample_counted(uniform, words, _number(words) if count is None else count)


def _count(word: jax.Array) -> jax.Array:
    return jax.lax.population_count(word).astype(jnp.int32)


def nth_move(flat: jax.Array, rank: jax.Array) -> jax.Array:
    """The label of the legal move that stands at `rank` among the packed bits.

    Args:
        flat: uint32[146, B], the words of the 73 planes, low and high in turn.
        rank: int32[B], from 0; a negative one gives -1.
    """

    def find(flat, rank):
        # The words that end before the rank: how many moves they hold, and how many there are.
        before, count = jnp.zeros_like(rank), jnp.zeros_like(rank)
        for i in range(2 * g.PLANES):
            count = count + _count(flat[i])
            passed = count <= rank
            before = jnp.where(passed, (count << 8) | (i + 1), before)
        return before

    packed = stage(find, flat, rank)
    index, rest = packed & 255, rank - (packed >> 8)
    word = jnp.take_along_axis(flat, jnp.minimum(index, 2 * g.PLANES - 1)[None], 0)[0]
    bit = nth_bit(word, rest)
    label = (bit + 32 * (index & 1)) * g.PLANES + (index >> 1)
    return jnp.where(rank >= 0, label, NO_MOVE)


def nth_bit(word: jax.Array, n: jax.Array) -> jax.Array:
    """The position (int32) of the set bit number `n`, from 0, by halving the word."""
    position = jnp.zeros_like(n)
    for half in (16, 8, 4, 2, 1):
        low = (word >> position.astype(jnp.uint32)) & np.uint32((1 << half) - 1)
        count = _count(low)
        above = n >= count
        position = position + jnp.where(above, half, 0)
        n = n - jnp.where(above, count, 0)
    return position


def sample_logits(
    uniform: jax.Array,
    logits: jax.Array,
    legal: jax.Array,
    temperature: jax.Array | float = 1.0,
) -> jax.Array:
    """A legal move with probability proportional to exp(logit / temperature).

    Args:
        uniform: float32[B] in [0, 1).
        logits: float[B, 4672]; a legal move with logit -inf is never drawn unless all have it.
        legal: bool[B, 4672], or the packed uint32[73, 2, B].
        temperature: a number or float[B]; at 0 (or below) the best move, ties drawn evenly.

    Returns:
        int32[B] labels; -1 where no move is legal.
    """
    mask = expand(legal) if legal.dtype == jnp.uint32 else legal
    batch = logits.shape[0]
    temperature = jnp.broadcast_to(jnp.asarray(temperature, jnp.float32), (batch,))[:, None]
    lowest = jnp.finfo(jnp.float32).min
    finite = jnp.maximum(logits.astype(jnp.float32), lowest)
    best = jnp.where(mask, finite, lowest).max(-1, keepdims=True)
    gap = jnp.maximum(finite - best, lowest)
    scaled = jnp.where(temperature > 0, gap / jnp.maximum(temperature, 1e-30), lowest)
    weight = jnp.where(mask, jnp.where(gap >= 0, 1.0, jnp.exp(scaled)), 0.0)
    return jnp.where(mask.any(-1), draw(uniform, weight), NO_MOVE)


_ROW = 64  # entries summed at a time; divides 4,672


def draw(uniform: jax.Array, weight: jax.Array) -> jax.Array:
    """An index with probability proportional to its weight, never one of weight zero.

    Args:
        uniform: float32[...] in [0, 1).
        weight: float32[..., N], not negative.

    Returns:
        int32[...]; 0 where all weights are zero.
    """
    n = weight.shape[-1]
    padded = jnp.pad(weight, [(0, 0)] * (weight.ndim - 1) + [(0, -n % _ROW)])
    rows = padded.reshape(*weight.shape[:-1], -1, _ROW)
    # Two levels, so that no running sum is over thousands of terms in sequence.
    sums = rows.sum(-1)
    row, before, total = _invert(sums, uniform * sums.sum(-1))
    # A sum over a mask: a gather is slower, and more so under vmap.
    here = jnp.arange(rows.shape[-2]) == row[..., None]
    picked = jnp.where(here[..., None], rows, 0).sum(-2)
    column, _, _ = _invert(picked, uniform * total - before)
    return _ROW * row + column


def first(hit: jax.Array) -> jax.Array:
    """int32[...]: the first index at which bool[..., N] holds, N where none does."""
    n = hit.shape[-1]
    return jnp.where(hit, jnp.arange(n, dtype=jnp.int32), n).min(-1)


def _invert(weight: jax.Array, level: jax.Array):
    """The first index at which the running sum exceeds `level`, never one of weight zero.

    Returns the index, the running sum before it, and the whole sum, as the running sum gives it.
    """
    n = weight.shape[-1]
    running = jnp.cumsum(weight, -1)
    positive = weight > 0
    # Rounding may carry the level to the end: the last index of positive weight stands for it.
    last = jnp.max(jnp.where(positive, jnp.arange(n, dtype=jnp.int32), 0), -1)
    index = jnp.minimum(first(positive & (running > level[..., None])), last)
    chosen = jnp.arange(n) == index[..., None]
    before = jnp.where(chosen, running - weight, 0).sum(-1)
    return index, before, running[..., -1]
