"""What makes an assistant A out of the expert E.

A transform takes what E says of one position and returns what A says of it. Transforms are pure,
act on a single position (callers vmap them over lanes and samples, each with its own key),
compose left to right, and change nothing at strength 0. Strengths are traced knobs.

Adding one is a function here and a line in `TRANSFORMS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sandwich_jax import sampling
from sandwich_jax.types import Knobs, PRNGKey, SettingError


class Answer(NamedTuple):
    """What E, or A so far, says of one position."""

    logits: Float[Array, "A"]
    value: Float[Array, ""]
    """For the side to move, in [-1, 1]."""


Apply = Callable[[PRNGKey, Answer, Bool[Array, "A"], Knobs], tuple[Answer, Bool[Array, ""]]]
"""`(key, answer, legal mask, knobs) -> answer, corrupted`."""


class Transform(NamedTuple):
    """A kind of misalignment."""

    apply: Apply
    strength: str
    """Name of the knob that is 0 for an honest assistant."""
    limits: tuple[float, float]
    """Allowed values of that knob."""


def random_move(
    key: PRNGKey, answer: Answer, legal: Bool[Array, "A"], knobs: Knobs
) -> tuple[Answer, Bool[Array, ""]]:
    """With probability `p` a uniformly random legal move, else what it was given.

    Corrupted means that the coin fell so, also where the random move happens to be E's own.
    """
    k_coin, k_move = jax.random.split(key)
    corrupted = jax.random.uniform(k_coin) < knobs["p"]
    move = sampling.uniform_legal(jax.random.uniform(k_move), legal)
    certain = jnp.where(jnp.arange(legal.shape[0]) == move, 0.0, sampling.ILLEGAL)
    return answer._replace(logits=jnp.where(corrupted, certain, answer.logits)), corrupted


def policy_noise(
    key: PRNGKey, answer: Answer, legal: Bool[Array, "A"], knobs: Knobs
) -> tuple[Answer, Bool[Array, ""]]:
    """Gaussian noise of scale `sigma` on the log-probabilities.

    Corrupted means that the noise changed the best move.
    """
    noise = knobs["sigma"] * jax.random.normal(key, answer.logits.shape)
    logits = answer.logits + noise
    corrupted = sampling.greedy(logits, legal) != sampling.greedy(answer.logits, legal)
    return answer._replace(logits=logits), corrupted


TRANSFORMS: Mapping[str, Transform] = {
    "random_move": Transform(random_move, "p", (0.0, 1.0)),
    "policy_noise": Transform(policy_noise, "sigma", (0.0, 100.0)),
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


def compose(names: tuple[str, ...]) -> Apply:
    """The transforms of these names, applied left to right; corrupted if any of them says so."""

    def apply(
        key: PRNGKey, answer: Answer, legal: Bool[Array, "A"], knobs: Knobs
    ) -> tuple[Answer, Bool[Array, ""]]:
        corrupted = jnp.bool_(False)
        for name, k_one in zip(names, jax.random.split(key, len(names)), strict=True):
            answer, changed = TRANSFORMS[name].apply(k_one, answer, legal, knobs)
            corrupted |= changed
        return answer, corrupted

    return apply


def honest(knobs: Knobs) -> Knobs:
    """`knobs` with every strength at 0."""
    strengths = {transform.strength for transform in TRANSFORMS.values()}
    return {name: jnp.zeros_like(x) if name in strengths else x for name, x in knobs.items()}
