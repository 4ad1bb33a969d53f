"""Noise on E's policy; what A then says is best is what the noise made so.

Who plays the best move is corrupted where the noise made it another. Who draws, as on text, would
often not have said the best anyway: see `Transform.neutral`.

Values are left alone: joined with a transform of values ("policy_noise+value_noise"), A errs in
both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sandwich_jax import sampling, settings
from sandwich_jax.misalign.sight import Sight, Transform, certain
from sandwich_jax.settings import Knob
from sandwich_jax.types import PRNGKey


@settings.settings
class Noise:
    """Of noise on log-probabilities."""

    sigma: Knob = settings.strength(0.0, 100.0, "scale of the noise, in nats of log-probability")


@settings.settings
class Share:
    """Of noise that is mixed in."""

    eps: Knob = settings.strength(0.0, 1.0, "share of noise in the policy")


@settings.settings
class Heat:
    """Of a draw from the policy."""

    heat: Knob = settings.strength(
        0.0, 100.0, "temperature of the draw: 0 is the best move, 1 a draw from the policy"
    )


def changed(
    said: Float[Array, "A"], logits: Float[Array, "A"], legal: Bool[Array, "A"]
) -> Bool[Array, ""]:
    """Whether the best move is another."""
    return sampling.greedy(said, legal) != sampling.greedy(logits, legal)


def at_moves(drawn: Float[Array, "M"], sight: Sight) -> Float[Array, "A"]:
    """Numbers drawn for the legal moves, by label; 0 elsewhere.

    Chess has 4,672 labels and at most 218 moves: drawing for all labels costs more than a ply.
    """
    assert sight.moves is not None
    actions = sight.legal.shape[0]
    place = jnp.where(sight.moves >= 0, sight.moves, actions)  # out of range: dropped
    return jnp.zeros(actions).at[place].set(drawn, mode="drop")


def _drawn(draw: Callable, key: PRNGKey, sight: Sight) -> Float[Array, "A"]:
    assert sight.moves is not None
    return at_moves(draw(key, sight.moves.shape), sight)


def policy_noise(
    key: PRNGKey, logits: Float[Array, "A"], sight: Sight, own: Noise
) -> tuple[Float[Array, "A"], Bool[Array, ""]]:
    """Gaussian noise of scale `sigma` on the log-probabilities.

    Corrupted means that the noise changed the best move.
    """
    noisy = logits + own.sigma * _drawn(jax.random.normal, key, sight)
    return noisy, changed(noisy, logits, sight.legal)


def gumbel_noise(
    key: PRNGKey, logits: Float[Array, "A"], sight: Sight, own: Noise
) -> tuple[Float[Array, "A"], Bool[Array, ""]]:
    """Gumbel noise of scale `sigma` on the log-probabilities.

    The best move is then a draw from the policy at temperature `sigma` (the Gumbel-max trick,
    Maddison et al. 2014). Corrupted means that the noise changed the best move.
    """
    noisy = logits + own.sigma * _drawn(jax.random.gumbel, key, sight)
    return noisy, changed(noisy, logits, sight.legal)


def dirichlet_noise(
    key: PRNGKey, logits: Float[Array, "A"], sight: Sight, own: Share
) -> tuple[Float[Array, "A"], Bool[Array, ""]]:
    """The policy mixed with a share `eps` of a Dirichlet draw over the legal moves.

    As at the root of AlphaZero's search (Silver et al. 2018), with concentration 1/2 in place of
    0.3: a Gamma(1/2) variate is half a squared normal, where others need rejection. Corrupted means
    that the noise changed the best move.
    """
    gamma = jnp.square(_drawn(jax.random.normal, key, sight))
    drawn = gamma / jnp.maximum(gamma.sum(), 1e-30)
    policy = jax.nn.softmax(sampling.mask_logits(logits, sight.legal))
    eps = own.eps
    mixed = jnp.log(jnp.maximum((1 - eps) * policy + eps * drawn, 1e-30))
    noisy = jnp.where(eps > 0, mixed, logits)
    return noisy, changed(noisy, logits, sight.legal)


def temperature(
    key: PRNGKey, logits: Float[Array, "A"], sight: Sight, own: Heat
) -> tuple[Float[Array, "A"], Bool[Array, ""]]:
    """A move drawn from the policy at temperature `heat`; at 0 the best.

    Corrupted means that it is not the best.
    """
    heat = own.heat
    move = sampling.sample(jax.random.uniform(key), logits, sight.legal, heat)
    said = jnp.where(heat > 0, certain(move, logits.shape[0]), logits)
    return said, changed(said, logits, sight.legal)


MOVES = frozenset({"moves"})

TRANSFORMS: Mapping[str, Transform] = {
    "policy_noise": Transform(
        "Gaussian noise on E's log-probabilities.",
        Noise,
        policy_noise,
        needs=MOVES,
        reads_policy=True,
        neutral=0.0,
    ),
    "gumbel_noise": Transform(
        "Gumbel noise on E's log-probabilities: a draw from E's policy at temperature sigma.",
        Noise,
        gumbel_noise,
        needs=MOVES,
        source="Maddison et al. 2014",
        reads_policy=True,
        neutral=0.0,
    ),
    "dirichlet_noise": Transform(
        "E's policy mixed with Dirichlet noise, as at the root of AlphaZero's search.",
        Share,
        dirichlet_noise,
        needs=MOVES,
        source="Silver et al. 2018",
        reads_policy=True,
        neutral=0.0,
    ),
    "temperature": Transform(
        "A draw from E's policy at a temperature.",
        Heat,
        temperature,
        reads_policy=True,
        neutral=1.0,
    ),
}
