"""A speaks with another network's voice: W's, or that of a model M."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sandwich_jax import sampling
from sandwich_jax.misalign.sight import (
    Chance,
    OnMove,
    OnValue,
    Seen,
    Sight,
    Transform,
    by_coin,
    certain,
    coin,
)
from sandwich_jax.types import PRNGKey


def best_of(network: str) -> OnMove:
    """With probability `p` the best move of a network, named as a field of `Sight`.

    Corrupted means that the coin fell so, also where that is E's own best move.
    """

    def act(
        key: PRNGKey, logits: Float[Array, "A"], sight: Sight, own: Chance
    ) -> tuple[Float[Array, "A"], Bool[Array, ""]]:
        corrupted, _ = coin(key, own.p)
        move = sampling.greedy(getattr(sight, network), sight.legal)
        return jnp.where(corrupted, certain(move, logits.shape[0]), logits), corrupted

    return act


def value_of(network: str) -> OnValue:
    """With probability `p`, by the same coin, the value of that network."""

    def tell(
        key: PRNGKey, value: Float[Array, ""], seen: Seen, own: Chance
    ) -> tuple[Float[Array, ""], Bool[Array, ""]]:
        corrupted, _ = coin(key, own.p)
        return jnp.where(corrupted, getattr(seen, network), value), corrupted

    return tell


def _voice(network: str, says: str) -> Transform:
    needs = frozenset({network})
    parts = best_of(network), value_of(network)
    return Transform(says, Chance, *parts, needs, needs, acts=by_coin)


TRANSFORMS: Mapping[str, Transform] = {
    "sandbag": _voice(
        "weak", "Now and then the best move of W: at p = 1 A plays as well as W, and no better."
    ),
    "borrow": _voice("saboteur", "Now and then the best move of a network M."),
}
