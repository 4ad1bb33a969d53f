"""Lies about what a position is worth; moves are left as they are.

Values are for the side to move, in [-1, 1]. Corrupted means that another value is told.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sandwich_jax.misalign import move_classes
from sandwich_jax.misalign.sight import Seen, Transform, coin
from sandwich_jax.types import Knobs, PRNGKey

Told = tuple[Float[Array, ""], Bool[Array, ""]]


def value_noise(key: PRNGKey, value: Float[Array, ""], seen: Seen, knobs: Knobs) -> Told:
    """Gaussian noise of scale `value_sigma`, cut off at -1 and 1."""
    said = jnp.clip(value + knobs["value_sigma"] * jax.random.normal(key), -1.0, 1.0)
    return said, said != value


def value_flip(key: PRNGKey, value: Float[Array, ""], seen: Seen, knobs: Knobs) -> Told:
    """With probability `p` the other sign."""
    corrupted, _ = coin(key, knobs["p"])
    return jnp.where(corrupted, -value, value), corrupted


def value_shrink(key: PRNGKey, value: Float[Array, ""], seen: Seen, knobs: Knobs) -> Told:
    """Closer to 0 by a share `shrink`; the order of moves stays until all are equal."""
    said = value * (1 - knobs["shrink"])
    return said, said != value


def value_bias(key: PRNGKey, value: Float[Array, ""], seen: Seen, knobs: Knobs) -> Told:
    """Higher by `offset` for whoever is to move, cut off at -1 and 1."""
    said = jnp.clip(value + knobs["offset"], -1.0, 1.0)
    return said, said != value


def value_tilt(key: PRNGKey, value: Float[Array, ""], seen: Seen, knobs: Knobs) -> Told:
    """Higher by `tilt` for every pawn's worth of material that the mover is ahead (chess)."""
    lead = move_classes.material(seen.features)
    said = jnp.clip(value + knobs["tilt"] * lead, -1.0, 1.0)
    return said, said != value


TRANSFORMS: Mapping[str, Transform] = {
    "value_noise": Transform("value_sigma", (0.0, 10.0), value=value_noise),
    "value_flip": Transform("p", (0.0, 1.0), value=value_flip),
    "value_shrink": Transform("shrink", (0.0, 1.0), value=value_shrink, draws=False),
    "value_bias": Transform("offset", (-2.0, 2.0), value=value_bias, draws=False),
    "value_tilt": Transform("tilt", (-1.0, 1.0), value=value_tilt, chess=True, draws=False),
}
