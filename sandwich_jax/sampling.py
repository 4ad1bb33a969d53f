"""Exact samplers over legal actions that need one uniform number a position.

`jax.random.categorical` over chess's 4,672 labels costs more than a ply of chess.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

ILLEGAL = -1e30
"""Logit of an illegal action: its probability is exactly 0 in float32."""


def mask_logits(logits: Float[Array, "*B A"], legal: Bool[Array, "*B A"]) -> Float[Array, "*B A"]:
    """`logits` with illegal actions set to `ILLEGAL`."""
    return jnp.where(legal, logits, ILLEGAL)


def greedy(logits: Float[Array, "*B A"], legal: Bool[Array, "*B A"]) -> Int[Array, "*B"]:
    """The best legal label (the first of equals); 0 where nothing is legal."""
    return jnp.argmax(mask_logits(logits, legal), axis=-1)


def sample(
    uniform: Float[Array, "*B"],
    logits: Float[Array, "*B A"],
    legal: Bool[Array, "*B A"],
    temperature: Float[Array, ""] | float,
) -> Int[Array, "*B"]:
    """A legal label with probability softmax(logits / temperature); the best at temperature 0.

    Args:
        uniform: in [0, 1), one a position.
        logits: of any scale; illegal entries are ignored.
        legal: 0 is returned where nothing is legal.
        temperature: at least 0.
    """
    masked = mask_logits(logits, legal)
    # Far under any useful temperature the softmax is the argmax, and 0 needs no branch.
    scale = 1.0 / jnp.maximum(temperature, 1e-6)
    weights = jnp.where(legal, jnp.exp((masked - masked.max(-1, keepdims=True)) * scale), 0.0)
    return _inverse_cdf(uniform, weights)


def uniform_legal(uniform: Float[Array, "*B"], legal: Bool[Array, "*B A"]) -> Int[Array, "*B"]:
    """A uniformly random legal label; 0 where nothing is legal."""
    return _inverse_cdf(uniform, legal.astype(jnp.float32))


def _inverse_cdf(uniform: Float[Array, "*B"], weights: Float[Array, "*B A"]) -> Int[Array, "*B"]:
    total = jnp.cumsum(weights, axis=-1)
    # Strictly above, so that an entry of weight 0 is never the first; `uniform * total` may round
    # up to the very top, where the last entry of positive weight is meant.
    above = total > uniform[..., None] * total[..., -1:]
    last = weights.shape[-1] - 1 - jnp.argmax((weights > 0)[..., ::-1], axis=-1)
    picked = jnp.where(above.any(-1), jnp.argmax(above, axis=-1), last)
    return jnp.where(total[..., -1] > 0, picked, 0)
