"""What became of advice that W followed, as W itself can see it."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sandwich_jax.types import Rollout


class Outcomes(NamedTuple):
    """Of every turn, [T, B]."""

    good: Bool[Array, "T B"]
    """W stood no worse, by its own value, at its next turn; or the game ended there and then with
    no worse a result: a win, or a draw where W's value was at most 0."""
    seen: Bool[Array, "T B"]
    """Advice was followed, and its outcome came within the game."""


def outcomes(rollout: Rollout, value: Float[Array, "T B"]) -> Outcomes:
    """What followed on followed advice: the sign of the change of W's own value over a turn.

    Args:
        rollout: the games.
        value: W's own value, for W, on its turns.
    """
    played, late = _later(rollout.played, False), _later(value, 0.0)
    side = jnp.where(rollout.assisted_first, 1.0, -1.0)
    ended = rollout.finished & ~played
    change = jnp.where(played, late, rollout.result * side) - value
    return Outcomes(change >= 0, rollout.followed & rollout.assisted & (played | ended))


def _later(x: Array, fill: bool | float) -> Array:
    """`x` two plies later: at W's next turn; `fill` beyond the last."""
    return jnp.concatenate([x[2:], jnp.full_like(x[:2], fill)])
