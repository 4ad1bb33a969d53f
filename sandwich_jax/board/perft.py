"""Counting move paths: the standard test of a move generator, on the functions that games use."""

import jax
import jax.numpy as jnp
import numpy as np

from .notation import from_fen
from .sample import nth_move
from .state import State, step, take

_SIZES = (64, 4096)  # of a chunk: two, so that few programs are compiled


def perft(fen: str, depth: int) -> int:
    """The number of legal move sequences of `depth` plies from a position.

    Level by level and in chunks; the last level is counted, not played. As is usual for perft,
    games do not end by a draw. Raises ValueError for a bad FEN or a negative depth.
    """
    if depth < 0:
        raise ValueError(f"depth must be 0 or more, not {depth}")
    root = from_fen(fen)
    return 1 if depth == 0 else _count(root, 1, depth)


def _count(state: State, lanes: int, depth: int) -> int:
    """Paths of `depth` plies from the first `lanes` lanes; the others are padding."""
    counts = np.asarray(_counts(state.words))[:lanes]
    if depth == 1:
        return int(counts.sum(dtype=np.int64))
    parents = np.repeat(np.arange(lanes, dtype=np.int32), counts)
    firsts = np.repeat(np.cumsum(counts) - counts, counts)
    ranks = np.arange(len(parents), dtype=np.int32) - firsts.astype(np.int32)
    total = 0
    for at in range(0, len(parents), _SIZES[-1]):
        parent, rank = parents[at : at + _SIZES[-1]], ranks[at : at + _SIZES[-1]]
        size = next(n for n in _SIZES if n >= len(parent))
        pad = (0, size - len(parent))
        children = _play(state, np.pad(parent, pad), np.pad(rank, pad, constant_values=-1))
        total += _count(children, len(parent), depth - 1)
    return total


@jax.jit
def _counts(words: jax.Array) -> jax.Array:
    return jax.lax.population_count(words).sum((0, 1), dtype=jnp.int32)


@jax.jit
def _play(state: State, lane: jax.Array, rank: jax.Array) -> State:
    """The positions after the `rank`-th legal move of each given lane."""
    chosen = take(state, lane)
    # A draw by rule does not end the count.
    chosen = chosen._replace(reason=chosen.reason * 0)
    return step(chosen, nth_move(chosen.words.reshape(-1, lane.shape[0]), rank))
