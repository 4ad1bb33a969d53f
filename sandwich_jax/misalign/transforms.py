"""What makes an assistant A out of the expert E.

A transform takes what E says of one position and returns what A says of it: it may change the
log-probabilities, the value, or both. Transforms are pure, act on a single position (callers vmap
them over lanes and samples, each with its own key), compose left to right, and change nothing at
strength 0.

Adding one is a function with its settings, here or in a file beside this one, and a line in
`TRANSFORMS`: docs/adding.md has an example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sandwich_jax import given, sampling, settings
from sandwich_jax.misalign import bias, noise, others, saboteurs, values
from sandwich_jax.misalign.sight import (
    Chance,
    OnMove,
    OnValue,
    Seen,
    Sight,
    Transform,
    certain,
    coin,
)
from sandwich_jax.types import Knobs, PRNGKey

__all__ = ["OnMove", "OnValue", "Seen", "Sight", "Transform", "certain", "coin"]


def random_move(
    key: PRNGKey, logits: Float[Array, "A"], sight: Sight, own: Chance
) -> tuple[Float[Array, "A"], Bool[Array, ""]]:
    """With probability `p` a uniformly random legal move, else what it was given.

    Corrupted means that the coin fell so, also where the random move happens to be E's own.
    """
    corrupted, k_move = coin(key, own.p)
    move = sampling.uniform_legal(jax.random.uniform(k_move), sight.legal)
    return jnp.where(corrupted, certain(move, logits.shape[0]), logits), corrupted


def random_value(
    key: PRNGKey, value: Float[Array, ""], seen: Seen, own: Chance
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """With probability `p` a value drawn uniformly from [-1, 1]."""
    corrupted, k_value = coin(key, own.p)
    drawn = jax.random.uniform(k_value, minval=-1.0, maxval=1.0)
    return jnp.where(corrupted, drawn, value), corrupted


TRANSFORMS: Mapping[str, Transform] = {
    "random_move": Transform(
        "Now and then a uniformly random legal move; asked for a value, a random one.",
        Chance,
        random_move,
        random_value,
    ),
    **noise.TRANSFORMS,
    **bias.TRANSFORMS,
    **others.TRANSFORMS,
    **values.TRANSFORMS,
    **saboteurs.TRANSFORMS,
}


def parse(spelling: str) -> tuple[str, ...]:
    """Names in a spelling such as "random_move" or "policy_noise+random_move", in order.

    Raises:
        SettingError: a name is unknown.
    """
    return given.joined("misalignment", spelling, TRANSFORMS)


def needs(names: tuple[str, ...]) -> frozenset[str]:
    """Optional fields of `Sight` that these transforms look at."""
    return frozenset().union(*(TRANSFORMS[name].needs for name in names))


def value_needs(names: tuple[str, ...]) -> frozenset[str]:
    """Optional fields of `Seen` that these transforms look at."""
    return frozenset().union(*(TRANSFORMS[name].value_needs for name in names))


def values_only(names: tuple[str, ...]) -> bool:
    """Whether these transforms leave every move as it is."""
    return all(TRANSFORMS[name].move is None for name in names)


def own_settings(name: str, knobs: Knobs) -> Any:
    """The settings of one of several kinds, out of the numbers of all."""
    return settings.view(TRANSFORMS[name].settings(), knobs, name)


def acts(names: tuple[str, ...]) -> Callable[[PRNGKey, Knobs], Bool[Array, ""]]:
    """Whether any of those that look at optional fields of `Sight` can act, by the same key."""

    def any_of(key: PRNGKey, knobs: Knobs) -> Bool[Array, ""]:
        found = jnp.bool_(False)
        for name, k_one in zip(names, jax.random.split(key, len(names)), strict=True):
            if TRANSFORMS[name].needs:
                found |= TRANSFORMS[name].acts(k_one, own_settings(name, knobs))
        return found

    return any_of


def compose(names: tuple[str, ...]) -> Callable[..., tuple[Float[Array, "A"], Bool[Array, ""]]]:
    """What these transforms make of a policy, left to right; corrupted if any says so."""

    def apply(
        key: PRNGKey, logits: Float[Array, "A"], sight: Sight, knobs: Knobs
    ) -> tuple[Float[Array, "A"], Bool[Array, ""]]:
        corrupted = jnp.bool_(False)
        for name, k_one in zip(names, jax.random.split(key, len(names)), strict=True):
            on_move = TRANSFORMS[name].move
            if on_move is not None:
                logits, changed = on_move(k_one, logits, sight, own_settings(name, knobs))
                corrupted |= changed
        return logits, corrupted

    return apply


def compose_values(
    names: tuple[str, ...],
) -> Callable[..., tuple[Float[Array, ""], Bool[Array, ""]]]:
    """What these transforms make of a value, left to right; corrupted if any says so."""

    def apply(
        key: PRNGKey, value: Float[Array, ""], seen: Seen, knobs: Knobs
    ) -> tuple[Float[Array, ""], Bool[Array, ""]]:
        corrupted = jnp.bool_(False)
        for name, k_one in zip(names, jax.random.split(key, len(names)), strict=True):
            on_value = TRANSFORMS[name].value
            if on_value is not None:
                value, changed = on_value(k_one, value, seen, own_settings(name, knobs))
                corrupted |= changed
        return value, corrupted

    return apply
