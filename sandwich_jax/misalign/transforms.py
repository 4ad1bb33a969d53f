"""What makes an assistant A out of the expert E.

A transform takes what E says of one position and returns what A says of it: it may change the
log-probabilities, the value, or both. Transforms are pure, act on a single position (callers vmap
them over lanes and samples, each with its own key), compose left to right, and change nothing at
strength 0. Strengths are traced knobs.

Adding one is a function here or in a file beside this one, and a line in `TRANSFORMS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax import sampling
from sandwich_jax.types import Knobs, PRNGKey, SettingError


class Sight(NamedTuple):
    """What a transform may look at in one position; None where no transform needs it."""

    legal: Bool[Array, "A"]
    features: Float[Array, "H W C"]
    weak: Float[Array, "A"] | None = None
    """Logits of W as it was before the run."""
    saboteur: Float[Array, "A"] | None = None
    """Logits of the network M."""
    after: Float[Array, "A"] | None = None
    """Q_E(s, a) = -v_E(s'), for the mover, in [-1, 1]; `sampling.ILLEGAL` for illegal labels."""
    weak_after: Float[Array, "A"] | None = None
    """The same by W as it was before the run."""


OnMove = Callable[
    [PRNGKey, Float[Array, "A"], Sight, Knobs], tuple[Float[Array, "A"], Bool[Array, ""]]
]
"""`(key, logits, sight, knobs) -> logits, corrupted`."""

OnValue = Callable[
    [PRNGKey, Float[Array, ""], Float[Array, "H W C"], Knobs],
    tuple[Float[Array, ""], Bool[Array, ""]],
]
"""`(key, value for the side to move, features, knobs) -> value, corrupted`."""


class Transform(NamedTuple):
    """A kind of misalignment. With one key, its two parts draw the same coin."""

    strength: str
    """Name of the knob that is 0 for an honest assistant."""
    limits: tuple[float, float]
    """Allowed values of that knob."""
    move: OnMove | None = None
    """What becomes of the policy; None: nothing."""
    value: OnValue | None = None
    """What becomes of the value; None: nothing."""
    needs: frozenset[str] = frozenset()
    """Optional fields of `Sight` that `move` looks at."""


def coin(key: PRNGKey, p: Float[Array, ""]) -> tuple[Bool[Array, ""], PRNGKey]:
    """True with probability p, and a key for what then happens."""
    k_coin, k_rest = jax.random.split(key)
    return jax.random.uniform(k_coin) < p, k_rest


def certain(label: Int[Array, ""], actions: int) -> Float[Array, "A"]:
    """Logits of a policy that always plays `label`."""
    return jnp.where(jnp.arange(actions) == label, 0.0, sampling.ILLEGAL)


def random_move(
    key: PRNGKey, logits: Float[Array, "A"], sight: Sight, knobs: Knobs
) -> tuple[Float[Array, "A"], Bool[Array, ""]]:
    """With probability `p` a uniformly random legal move, else what it was given.

    Corrupted means that the coin fell so, also where the random move happens to be E's own.
    """
    corrupted, k_move = coin(key, knobs["p"])
    move = sampling.uniform_legal(jax.random.uniform(k_move), sight.legal)
    return jnp.where(corrupted, certain(move, logits.shape[0]), logits), corrupted


def random_value(
    key: PRNGKey, value: Float[Array, ""], features: Float[Array, "H W C"], knobs: Knobs
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """With probability `p` a value drawn uniformly from [-1, 1]."""
    corrupted, k_value = coin(key, knobs["p"])
    drawn = jax.random.uniform(k_value, minval=-1.0, maxval=1.0)
    return jnp.where(corrupted, drawn, value), corrupted


def policy_noise(
    key: PRNGKey, logits: Float[Array, "A"], sight: Sight, knobs: Knobs
) -> tuple[Float[Array, "A"], Bool[Array, ""]]:
    """Gaussian noise of scale `sigma` on the log-probabilities.

    Corrupted means that the noise changed the best move.
    """
    noisy = logits + knobs["sigma"] * jax.random.normal(key, logits.shape)
    corrupted = sampling.greedy(noisy, sight.legal) != sampling.greedy(logits, sight.legal)
    return noisy, corrupted


TRANSFORMS: Mapping[str, Transform] = {
    "random_move": Transform("p", (0.0, 1.0), random_move, random_value),
    "policy_noise": Transform("sigma", (0.0, 100.0), policy_noise),
}


def parse(spelling: str) -> tuple[str, ...]:
    """Names in a spelling such as "random_move" or "policy_noise+random_move", in order.

    Raises:
        SettingError: a name is unknown.
    """
    names = tuple(name.strip() for name in spelling.split("+"))
    for name in names:
        if name not in TRANSFORMS:
            raise SettingError(
                f"Unknown misalignment '{name}': choose from {', '.join(TRANSFORMS)}, or join"
                " several with '+'."
            )
    return names


def needs(names: tuple[str, ...]) -> frozenset[str]:
    """Optional fields of `Sight` that these transforms look at."""
    return frozenset().union(*(TRANSFORMS[name].needs for name in names))


def compose(names: tuple[str, ...]) -> OnMove:
    """What these transforms make of a policy, left to right; corrupted if any says so."""

    def apply(
        key: PRNGKey, logits: Float[Array, "A"], sight: Sight, knobs: Knobs
    ) -> tuple[Float[Array, "A"], Bool[Array, ""]]:
        corrupted = jnp.bool_(False)
        for name, k_one in zip(names, jax.random.split(key, len(names)), strict=True):
            on_move = TRANSFORMS[name].move
            if on_move is not None:
                logits, changed = on_move(k_one, logits, sight, knobs)
                corrupted |= changed
        return logits, corrupted

    return apply


def compose_values(names: tuple[str, ...]) -> OnValue:
    """What these transforms make of a value, left to right; corrupted if any says so."""

    def apply(
        key: PRNGKey, value: Float[Array, ""], features: Float[Array, "H W C"], knobs: Knobs
    ) -> tuple[Float[Array, ""], Bool[Array, ""]]:
        corrupted = jnp.bool_(False)
        for name, k_one in zip(names, jax.random.split(key, len(names)), strict=True):
            on_value = TRANSFORMS[name].value
            if on_value is not None:
                value, changed = on_value(k_one, value, features, knobs)
                corrupted |= changed
        return value, corrupted

    return apply
