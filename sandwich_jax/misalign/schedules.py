"""When A is misaligned: a corruption that its schedule does not allow is left out.

A schedule is a pure function of one query, combined with any transform. Adding one is a function
here and a line in `SCHEDULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from sandwich_jax.misalign.transforms import Sight
from sandwich_jax.types import Knobs, SettingError


class Occasion(NamedTuple):
    """One query: what a schedule may look at."""

    sight: Sight
    honest: Int[Array, ""]
    """E's move."""
    said: Int[Array, ""]
    """What A would say if it were corrupted now."""
    queries: Int[Array, ""]
    """Asked before in this game."""
    corruptions: Int[Array, ""]
    """Of these, corrupted."""


class Schedule(NamedTuple):
    """A rule for when to corrupt."""

    active: Callable[[Occasion, Knobs], Bool[Array, ""]]
    needs: frozenset[str] = frozenset()
    """Optional fields of `Sight` that it looks at."""


def always(occasion: Occasion, knobs: Knobs) -> Bool[Array, ""]:
    """Whenever the transform says so."""
    return jnp.bool_(True)


def every_nth(occasion: Occasion, knobs: Knobs) -> Bool[Array, ""]:
    """Only on every `nth` query of a game, from the n-th on."""
    return (occasion.queries + 1) % jnp.maximum(knobs["nth"], 1).astype(jnp.int32) == 0


SCHEDULES: Mapping[str, Schedule] = {
    "always": Schedule(always),
    "every_nth": Schedule(every_nth),
}


def parse(spelling: str) -> tuple[str, ...]:
    """Names in a spelling such as "always" or "every_nth+at_most"; all of them must agree.

    Raises:
        SettingError: a name is unknown.
    """
    names = tuple(name.strip() for name in spelling.split("+"))
    for name in names:
        if name not in SCHEDULES:
            raise SettingError(
                f"Unknown schedule '{name}': choose from {', '.join(SCHEDULES)}, or join several"
                " with '+'."
            )
    return names


def needs(names: tuple[str, ...]) -> frozenset[str]:
    """Optional fields of `Sight` that these schedules look at."""
    return frozenset().union(*(SCHEDULES[name].needs for name in names))


def combine(names: tuple[str, ...]) -> Callable[[Occasion, Knobs], Bool[Array, ""]]:
    """All of these schedules at once."""

    def active(occasion: Occasion, knobs: Knobs) -> Bool[Array, ""]:
        found = [SCHEDULES[name].active(occasion, knobs) for name in names]
        return jnp.stack(found).all()

    return active
