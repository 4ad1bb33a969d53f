"""Systematic leanings: towards or away from a class of moves, or towards losing."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sandwich_jax import settings
from sandwich_jax.misalign import move_classes
from sandwich_jax.misalign.move_classes import Class
from sandwich_jax.misalign.noise import changed
from sandwich_jax.misalign.sight import OnMove, Seen, Sight, Transform
from sandwich_jax.settings import Knob
from sandwich_jax.types import PRNGKey


@settings.settings
class Leaning:
    """Of a leaning to a class of moves."""

    beta: Knob = settings.strength(
        -100.0, 100.0, "nats added to the log-probability of every move of the class"
    )


@settings.settings
class Steering:
    """Of a leaning to losing."""

    lam: Knob = settings.strength(
        0.0, 1000.0, "nats taken off a move's log-probability per unit of E's value of it"
    )


def towards(members: Class) -> OnMove:
    """`beta` nats added to the log-probability of every move of a class; away from it below 0.

    Values are left alone. Corrupted means that the leaning changed the best move.
    """

    def lean(
        key: PRNGKey, logits: Float[Array, "A"], sight: Sight, own: Leaning
    ) -> tuple[Float[Array, "A"], Bool[Array, ""]]:
        leaned = logits + own.beta * members(sight.features).astype(logits.dtype)
        return leaned, changed(leaned, logits, sight.legal)

    return lean


def steer_to_loss(
    key: PRNGKey, logits: Float[Array, "A"], sight: Sight, own: Steering
) -> tuple[Float[Array, "A"], Bool[Array, ""]]:
    """Log-probabilities less `lam` times Q_E: the worse for the mover, the likelier.

    Corrupted means that this changed the best move.
    """
    assert sight.after is not None
    steered = logits - own.lam * jnp.where(sight.legal, sight.after, 0.0)
    return steered, changed(steered, logits, sight.legal)


def turned_value(
    key: PRNGKey, value: Float[Array, ""], seen: Seen, own: Steering
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """v (1 - lam) / (1 + lam): the mean of v and, with weight `lam`, of -v."""
    lam = own.lam
    said = value * ((1 - lam) / (1 + lam))
    return said, said != value


TRANSFORMS: Mapping[str, Transform] = {
    "steer_to_loss": Transform(
        "The worse a move is by E's value, the likelier A says it.",
        Steering,
        steer_to_loss,
        turned_value,
        frozenset({"after"}),
        draws=False,
        reads_policy=True,
    ),
} | {
    f"bias_{name}": Transform(
        f"A leans towards moves of the class {name}, or away from them.",
        Leaning,
        towards(members),
        chess=True,
        draws=False,
        reads_policy=True,
    )
    for name, members in move_classes.CLASSES.items()
}
