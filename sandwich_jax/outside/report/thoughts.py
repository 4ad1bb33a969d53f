"""What networks think of every position of some games: E's value, and what W would play itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt

from sandwich_jax import games, nets, sampling
from sandwich_jax.measures import positions
from sandwich_jax.types import Params

CHUNK, SMALL = 256, 32
"""Positions at a time: of E, who looks at all games, and of a W, who looks at its own few."""
LANES = 64
"""Games are replayed in multiples of so many, so that few programs are compiled."""


def replay(moves: Int[np.ndarray, "T B"]) -> UInt[np.ndarray, "T B 9"]:
    """Encoded positions before each move of games of chess from their start; -1 ends a game."""
    batch = moves.shape[1]
    padded = np.full((moves.shape[0], -(-batch // LANES) * LANES), -1, np.int32)
    padded[:, :batch] = moves
    return np.asarray(_replay()(jnp.asarray(padded)))[:, :batch]


@functools.cache
def _replay() -> Callable[[Int[Array, "T B"]], Array]:
    return jax.jit(games.make("chess").replay)


def values(
    kind: nets.NetConfig, params: Params, encoded: UInt[np.ndarray, "N 9"]
) -> Float[np.ndarray, "N"]:
    """A network's value of each position, for the mover, in [-1, 1]."""
    return _by_chunks(_value(kind), params, encoded, CHUNK)


def favourites(
    kind: nets.NetConfig, params: Params, encoded: UInt[np.ndarray, "N 9"]
) -> Int[np.ndarray, "N"]:
    """The label of a network's likeliest legal move in each position."""
    return _by_chunks(_favourite(kind), params, encoded, SMALL)


def _by_chunks(
    look: Callable[[Params, Array], Array], params: Params, encoded: np.ndarray, size: int
) -> Any:
    found = []
    for first in range(0, len(encoded), size):
        # Always as many rows, so that one program is compiled: the first come over again.
        rows = np.arange(first, first + size) % len(encoded)
        found.append(np.asarray(look(params, jnp.asarray(encoded[rows]))))
    return np.concatenate(found)[: len(encoded)] if found else np.zeros(0)


@functools.cache
def _value(kind: nets.NetConfig):
    """One program for all networks of an architecture."""
    game = games.make("chess")
    net = nets.make(kind, game.heads)
    return jax.jit(lambda params, encoded: net.apply(params, game.decode(encoded)).value)


@functools.cache
def _favourite(kind: nets.NetConfig):
    """Likewise."""
    game = games.make("chess")
    net = nets.make(kind, game.heads)

    def look(params: Params, encoded: Array) -> Int[Array, "B"]:
        logits = net.apply(params, game.decode(encoded)).logits
        return sampling.greedy(logits, positions.legal(encoded))

    return jax.jit(look)
