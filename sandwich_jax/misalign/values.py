"""Lies about what a position is worth; moves are left as they are.

Values are for the side to move, in [-1, 1]. Corrupted means that another value is told.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sandwich_jax import settings
from sandwich_jax.misalign import move_classes
from sandwich_jax.misalign.sight import Chance, Seen, Transform, coin
from sandwich_jax.settings import Knob
from sandwich_jax.types import PRNGKey


@settings.settings
class Noise:
    """Of noise on values."""

    value_sigma: Knob = settings.strength(
        0.0, 10.0, "scale of the noise, on the scale of values from -1 to 1"
    )


@settings.settings
class Shrinking:
    """Of values that are told too small."""

    shrink: Knob = settings.strength(0.0, 1.0, "share of the value that is left out")


@settings.settings
class Offset:
    """Of values that are all told higher or lower."""

    offset: Knob = settings.strength(-2.0, 2.0, "added to the value for the side to move")


@settings.settings
class Tilt:
    """Of values that depend too much on material."""

    tilt: Knob = settings.strength(
        -1.0, 1.0, "added to the value for every pawn's worth that the mover is ahead"
    )


Told = tuple[Float[Array, ""], Bool[Array, ""]]


def value_noise(key: PRNGKey, value: Float[Array, ""], seen: Seen, own: Noise) -> Told:
    """Gaussian noise of scale `value_sigma`, cut off at -1 and 1."""
    said = jnp.clip(value + own.value_sigma * jax.random.normal(key), -1.0, 1.0)
    return said, said != value


def value_flip(key: PRNGKey, value: Float[Array, ""], seen: Seen, own: Chance) -> Told:
    """With probability `p` the other sign."""
    corrupted, _ = coin(key, own.p)
    return jnp.where(corrupted, -value, value), corrupted


def value_shrink(key: PRNGKey, value: Float[Array, ""], seen: Seen, own: Shrinking) -> Told:
    """Closer to 0 by a share `shrink`; the order of moves stays until all are equal."""
    said = value * (1 - own.shrink)
    return said, said != value


def value_bias(key: PRNGKey, value: Float[Array, ""], seen: Seen, own: Offset) -> Told:
    """Higher by `offset` for whoever is to move, cut off at -1 and 1."""
    said = jnp.clip(value + own.offset, -1.0, 1.0)
    return said, said != value


def value_tilt(key: PRNGKey, value: Float[Array, ""], seen: Seen, own: Tilt) -> Told:
    """Higher by `tilt` for every pawn's worth of material that the mover is ahead (chess)."""
    lead = move_classes.material(seen.features)
    said = jnp.clip(value + own.tilt * lead, -1.0, 1.0)
    return said, said != value


TRANSFORMS: Mapping[str, Transform] = {
    "value_noise": Transform("Gaussian noise on E's value.", Noise, value=value_noise),
    "value_flip": Transform(
        "Now and then E's value with the other sign.", Chance, value=value_flip
    ),
    "value_shrink": Transform(
        "E's value, closer to 0.", Shrinking, value=value_shrink, draws=False
    ),
    "value_bias": Transform(
        "E's value, higher for whoever is to move.", Offset, value=value_bias, draws=False
    ),
    "value_tilt": Transform(
        "E's value, higher for whoever is ahead in material.",
        Tilt,
        value=value_tilt,
        chess=True,
        draws=False,
    ),
}
