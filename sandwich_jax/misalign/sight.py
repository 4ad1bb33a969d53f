"""What every transform is made of: what it may look at, its signature, its coin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax import sampling, settings
from sandwich_jax.settings import Knob, Setting
from sandwich_jax.types import PRNGKey


@settings.settings
class Chance:
    """Of all that act by the toss of a coin."""

    p: Knob = settings.strength(
        0.0, 1.0, "probability that a query is corrupted", usual=(0.0, 0.5, 0.9)
    )


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
    moves: Int[Array, "M"] | None = None
    """Labels of the legal moves, -1 after the last: few beside all labels, to draw numbers for."""


OnMove = Callable[
    [PRNGKey, Float[Array, "A"], Sight, Any], tuple[Float[Array, "A"], Bool[Array, ""]]
]
"""`(key, logits, sight, the kind's settings) -> logits, corrupted`."""


class Seen(NamedTuple):
    """What a transform of values may look at in one position; None where none needs it."""

    features: Float[Array, "H W C"]
    weak: Float[Array, ""] | None = None
    """Value for the side to move by W as it was before the run."""
    saboteur: Float[Array, ""] | None = None
    """The same by the network M."""


OnValue = Callable[[PRNGKey, Float[Array, ""], Seen, Any], tuple[Float[Array, ""], Bool[Array, ""]]]
"""`(key, value for the side to move, seen, the kind's settings) -> value, corrupted`."""


class Transform(NamedTuple):
    """A kind of misalignment. With one key, its two parts draw the same coin."""

    says: str
    """What it does, in a sentence."""
    settings: type
    """Its settings: a strength, and what else it has a use of."""
    move: OnMove | None = None
    """What becomes of the policy; None: nothing."""
    value: OnValue | None = None
    """What becomes of the value; None: nothing."""
    needs: frozenset[str] = frozenset()
    """Optional fields of `Sight` that `move` looks at."""
    value_needs: frozenset[str] = frozenset()
    """Optional fields of `Seen` that `value` looks at."""
    chess: bool = False
    """It reads the features and labels of chess: of no use in other games."""
    acts: Callable[[PRNGKey, Any], Bool[Array, ""]] = lambda key, own: jnp.bool_(True)
    """Whether `move` can change anything with this key: where not, `Sight` may be left blank."""
    draws: bool = True
    """It draws from its key: what it does lasts as long as setting `lasts` says."""

    source: str = ""
    """Where it is from."""
    reads_policy: bool = False
    """`move` looks at E's opinion of more moves than its best one: no engine has any."""
    neutral: float | None = None
    """Of noise: the strength at which drawing from what `move` says is drawing from E's policy.
    Whoever draws, as on text, calls an answer corrupted where it differs from the one drawn so with
    the same random numbers. None: corrupted is what `move` says is."""

    @property
    def strength(self) -> str:
        """Name of the setting that is 0 for an honest assistant."""
        return next(name for name, s in settings.declared(self.settings).items() if s.strength)

    @property
    def about_strength(self) -> Setting:
        """What is declared of it."""
        return settings.declared(self.settings)[self.strength]

    @property
    def uses(self) -> tuple[str, ...]:
        """All settings of a run that it depends on, its own first."""
        named = ("saboteur",) if "saboteur" in self.needs | self.value_needs else ()
        own = settings.declared(self.settings)
        return (*own, *(("lasts",) if self.draws else ()), *named)


def coin(key: PRNGKey, p: Float[Array, ""]) -> tuple[Bool[Array, ""], PRNGKey]:
    """True with probability p, and a key for what then happens."""
    k_coin, k_rest = jax.random.split(key)
    return jax.random.uniform(k_coin) < p, k_rest


def by_coin(key: PRNGKey, own: Chance) -> Bool[Array, ""]:
    """`Transform.acts` of those that toss a coin with probability `p` before all else."""
    return coin(key, own.p)[0]


def certain(label: Int[Array, ""], actions: int) -> Float[Array, "A"]:
    """Logits of a policy that always plays `label`."""
    return jnp.where(jnp.arange(actions) == label, 0.0, sampling.ILLEGAL)
