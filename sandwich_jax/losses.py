"""What an update minimises: one formula a function, each with its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax import sampling

SYMMETRIC = (0.1, 1.0, -4.0)
"""alpha, beta and A (which stands for log 0) of Wang et al. 2019, as they use them on CIFAR-10."""
TRUNCATED = (0.7, 1 / 200)
"""q of Zhang & Sabuncu 2018, and k. Theirs is 1/2, of ten classes; no move of a weak network is
that likely, so here k gives up on moves that are about as likely as a blunder. Not tuned."""
LEAST = 1e-5
"""Of a probability whose logarithm is taken."""
ROUNDED = 1e-3
"""What probabilities may lack of a sum of 1 by rounding, in 16 bits as they are kept."""
MOST_LOG_RATIO = 20.0
"""Ratios of probabilities are kept finite: e to this."""


def symmetric(cross_entropy: Float[Array, "N"]) -> Float[Array, "N"]:
    """alpha CE + beta RCE, symmetric cross-entropy learning (Wang et al. 2019).

    RCE = -sum_a p(a) log q(a) of a one-hot q, whose log 0 is A, is -A (1 - p(label)).

    Args:
        cross_entropy: -log p(label).
    """
    alpha, beta, log_zero = SYMMETRIC
    return alpha * cross_entropy - beta * log_zero * (1.0 - jnp.exp(-cross_entropy))


def truncated(cross_entropy: Float[Array, "N"]) -> Float[Array, "N"]:
    """(1 - max(p, k)^q) / q, the truncated L_q loss (Zhang & Sabuncu 2018, equation 8).

    Between the cross-entropy (q to 0) and the mean absolute error (q = 1); labels less likely
    than k have no gradient.

    Args:
        cross_entropy: -log p(label).
    """
    q, k = TRUNCATED
    return (1.0 - jnp.maximum(jnp.exp(-cross_entropy), k) ** q) / q


NOISE_LOSSES: Mapping[str, Callable[[Float[Array, "N"]], Float[Array, "N"]]] = {
    "none": lambda cross_entropy: cross_entropy,
    "symmetric": symmetric,
    "truncated": truncated,
}


def soft_cross_entropy(
    logits: Float[Array, "N A"], labels: Int[Array, "N W"], weights: Float[Array, "N W"]
) -> Float[Array, "N"]:
    """-sum_w q(w) log p(w) of each sample, p the softmax of `logits`, in nats.

    What the weights leave of 1 is the probability of all other labels together: a distribution of
    which some labels are told is learnt as it is, and who learns its own stays as it is.

    Args:
        logits: of all labels.
        labels: those that have a probability; -1 for none.
        weights: their probabilities q.
    """
    log_probs = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.maximum(labels, 0), axis=-1)
    there = labels >= 0
    weights = jnp.where(there, weights, 0.0)
    left = 1.0 - jnp.where(there, jnp.exp(log_probs), 0.0).sum(-1)
    others = 1.0 - weights.sum(-1)
    others = jnp.where(others > ROUNDED, others, 0.0)
    return -(weights * log_probs).sum(-1) - others * jnp.log(jnp.maximum(left, LEAST))


def clipped_surrogate(
    log_prob: Float[Array, "N"],
    behaviour: Float[Array, "N"],
    advantage: Float[Array, "N"],
    clip: Float[Array, ""] | float,
) -> Float[Array, "N"]:
    """-min(r A, clip(r, 1 - clip, 1 + clip) A), r the ratio of probabilities (PPO).

    Schulman et al. 2017, equation 7.

    Args:
        log_prob: of the moves, as the policy is now.
        behaviour: of the moves, as it was when they were played.
        advantage: of the moves.
        clip: in (0, 1).
    """
    ratio = jnp.exp(jnp.clip(log_prob - behaviour, -MOST_LOG_RATIO, MOST_LOG_RATIO))
    return -jnp.minimum(ratio * advantage, jnp.clip(ratio, 1.0 - clip, 1.0 + clip) * advantage)


def log_prob_of(
    logits: Float[Array, "N A"],
    legal: Bool[Array, "N A"],
    labels: Int[Array, "N"],
    temperature: Float[Array, ""] | float,
) -> Float[Array, "N"]:
    """Log-probability of each label when moves are drawn as `sampling.sample` draws them."""
    scaled = sampling.mask_logits(logits / jnp.maximum(temperature, 1e-6), legal)
    log_probs = jax.nn.log_softmax(scaled)
    index = labels.astype(jnp.int32)[:, None]
    return jnp.take_along_axis(log_probs, index, axis=-1)[:, 0]


def divergence(logits: Float[Array, "N A"], reference: Float[Array, "N A"]) -> Float[Array, "N"]:
    """KL(policy || reference) in nats, at temperature 1.

    Over all labels where the cross-entropy runs over all of them; over legal moves alone it is at
    most this divided by the policy's share of legal moves.
    """
    own, other = jax.nn.log_softmax(logits), jax.nn.log_softmax(reference)
    return (jnp.exp(own) * (own - other)).sum(-1)
