"""Exact samplers over legal actions that need one uniform number a position.

`jax.random.categorical` over chess's 4,672 labels costs more than a ply of chess.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax.board.sample import draw, first
from sandwich_jax.types import SoftPolicy
from sandwich_jax.words import Pool

ILLEGAL = -1e30
"""Logit of an illegal action: its probability is exactly 0 in float32."""
LIKELIEST = 8
"""Moves that are kept of a distribution that A tells."""


def mask_logits(logits: Float[Array, "*B A"], legal: Bool[Array, "*B A"]) -> Float[Array, "*B A"]:
    """`logits` with illegal actions set to `ILLEGAL`."""
    return jnp.where(legal, logits, ILLEGAL)


def greedy(logits: Float[Array, "*B A"], legal: Bool[Array, "*B A"]) -> Int[Array, "*B"]:
    """The best legal label (the first of equals); 0 where nothing is legal."""
    masked = mask_logits(logits, legal)
    # A maximum and a search run over vectors on a CPU; argmax does not.
    found = first((masked == masked.max(-1, keepdims=True)) & legal)
    return jnp.where(found < legal.shape[-1], found, 0)


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
    return draw(uniform, weights)


def uniform_legal(uniform: Float[Array, "*B"], legal: Bool[Array, "*B A"]) -> Int[Array, "*B"]:
    """A uniformly random legal label; 0 where nothing is legal."""
    return draw(uniform, legal.astype(jnp.float32))


def likeliest(log_probs: Float[Array, "K B A"], pool: Pool = "mean") -> SoftPolicy:
    """The likeliest labels of distributions with their probabilities, [B, `LIKELIEST`].

    Args:
        log_probs: of all labels.
        pool: what is made of K distributions: their mean (the linear opinion pool, Stone 1961), or
            their `medoid`.
    """
    shares = jnp.exp(log_probs)
    one = shares.mean(0) if pool == "mean" else medoid(shares)
    top, labels = jax.lax.top_k(one, min(LIKELIEST, one.shape[-1]))
    return SoftPolicy(jnp.where(top > 0, labels, -1).astype(jnp.int16), top)


def medoid(shares: Float[Array, "K B A"]) -> Float[Array, "B A"]:
    """Of K distributions the one with the least sum of total variation distances to all others
    (Kaufman & Rousseeuw 1987); the first of equals."""
    common = jnp.minimum(shares[:, None], shares[None]).sum(-1)  # 1 less the distance
    chosen = jnp.argmax(common.sum(1), axis=0)
    return jnp.take_along_axis(shares, chosen[None, :, None], axis=0)[0]
