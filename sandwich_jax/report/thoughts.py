"""What E thinks of every position of some games."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt

from sandwich_jax import games
from sandwich_jax.models import Model, encoded_values

CHUNK = 256
"""Positions at a time."""
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


def values(model: Model, encoded: UInt[np.ndarray, "N 9"]) -> Float[np.ndarray, "N"]:
    """A network's value of each position, for the mover, in [-1, 1]."""
    found, chess = [], games.make("chess")
    for first in range(0, len(encoded), CHUNK):
        # Always as many rows, so that one program is compiled: the first come over again.
        rows = np.arange(first, first + CHUNK) % len(encoded)
        found.append(np.asarray(encoded_values(model, chess, jnp.asarray(encoded[rows]))))
    return np.concatenate(found)[: len(encoded)] if found else np.zeros(0)
