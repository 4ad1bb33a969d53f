"""What a sweep's file says: settings with one value, axes, and how many members these span.

A list in the file is an axis of the grid. Strengths, `members.NUMBERS` and seeds are traced:
members that differ in these alone are lanes of one program. What is in `STATIC` (misalignment,
protocol, objective ...) is compiled: a program for each combination.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sandwich_jax import given, uses
from sandwich_jax.members import NUMBERS, SIZES, Config, strength_names
from sandwich_jax.misalign import schedules, transforms
from sandwich_jax.types import SettingError

STATIC = (
    "network",
    "objective",
    "results",
    "noise_loss",
    "protocol",
    "misalignment",
    "schedule",
    "lasts",
    "saboteur",
    "every",
    *SIZES,
)
CHOOSING = tuple(name for name in STATIC if name in uses.Choice._fields)
"""Those of them that choose kinds, and so which other settings are of use."""
MOST_MEMBERS = 10_000
"""Of a grid: each is a folder."""


def axes() -> tuple[str, ...]:
    """Settings that may be lists."""
    return (*STATIC, *strength_names(), *NUMBERS, "seeds")


class Asked(NamedTuple):
    """A sweep's file."""

    single: dict[str, Any]
    """Settings that are no axes, but for those below."""
    lists: dict[str, Sequence[Any]]
    """The values along every axis that the file names, and seeds."""
    controls: tuple[str, ...]
    benign_sigma: tuple[float, ...]


class Chosen(NamedTuple):
    """A combination of kinds."""

    kinds: dict[str, Any]
    """Values of `CHOOSING`."""
    choice: uses.Choice
    axes: tuple[str, ...]
    """The axes beside those that make a difference to a member with these kinds."""


def read(settings: Mapping[str, Any]) -> Asked:
    """What a sweep's file says, each setting by itself.

    Args:
        settings: any setting of `Config` but `seed`, and `seeds`: a list, or how many from 0.

    Raises:
        SettingError: a setting is unknown or of another type, or has a value twice.
    """
    known = {f.name for f in dataclasses.fields(Config)} - {"seed"} | {"seeds"}
    for name in settings:
        if name not in known:
            hint = " (a sweep has seeds)" if name == "seed" else ""
            raise SettingError(
                f"Unknown setting {given.shown(name)}{hint}: choose from"
                f" {', '.join(sorted(known))}."
            )
    kinds = given.kinds_of(Config)
    extra = {n: given.typed(n, settings.get(n, ()), kinds[n]) for n in ("controls", "benign_sigma")}
    for name, values in extra.items():
        given.distinct(name, values)
    rest = {name: value for name, value in settings.items() if name not in extra}
    single = {name: _single(name, v) for name, v in rest.items() if name not in axes()}
    lists = {name: _values(name, rest[name]) for name in axes() if name in rest}
    return Asked(single, {"seeds": range(1)} | lists, **extra)


def choices(asked: Asked) -> list[Chosen]:
    """Every combination of kinds.

    Raises:
        SettingError: a kind is unknown or lacks its strength, a setting changes nothing in any of
            the combinations, or the grid is too large to be held.
    """
    values = {name: asked.lists.get(name, (getattr(Config, name),)) for name in CHOOSING}
    _refuse_too_many(math.prod(map(len, values.values())), values)
    fixed = asked.single | {"controls": ()}
    rest = {n: fixed.get(n, getattr(Config, n)) for n in uses.Choice._fields if n not in values}
    found = []
    for combination in itertools.product(*values.values()):
        kinds = dict(zip(values, combination, strict=True))
        choice = uses.Choice(**kinds | rest)
        idle = uses.idle(choice)
        _refuse_lacking(choice, idle, asked.lists)
        own = tuple(name for name in asked.lists if name not in idle and name not in CHOOSING)
        found.append(Chosen(kinds, choice, own))
    _refuse_idle(asked, [one.choice for one in found])
    sizes = [math.prod(len(asked.lists[name]) for name in one.axes) for one in found]
    _refuse_too_many(sum(sizes) * max(1, len(asked.benign_sigma)), asked.lists)
    return found


def _refuse_lacking(choice: uses.Choice, idle: frozenset[str], lists: Mapping[str, Any]) -> None:
    for name in strength_names():
        if name not in idle and name not in lists:
            raise SettingError(
                f"Misalignment '{choice.misalignment}' needs {name}: a list of strengths."
            )


def _refuse_idle(asked: Asked, found: Sequence[uses.Choice]) -> None:
    """Raises SettingError for what makes no difference, unless it is as by default."""
    default = vars(Config())
    # W that never asks is compared with others by its protocol's name alone.
    free = () if any(choice.asks for choice in found) else strength_names()
    set_ = [name for name, value in asked.single.items() if value != default[name]]
    own = {n: v for n, v in asked.lists.items() if n in default and n not in free}
    set_ += [name for name, values in own.items() if list(values) != [default[name]]]
    if asked.benign_sigma and "benign" not in asked.controls:
        raise SettingError("benign_sigma is set, but controls has no benign.")
    uses.refuse_idle(set_, [choice._replace(controls=asked.controls) for choice in found])


def _refuse_too_many(count: int, lists: Mapping[str, Sequence[Any]]) -> None:
    if count > MOST_MEMBERS:
        sizes = [f"{name} ({len(v):,} values)" for name, v in lists.items() if len(v) > 1]
        raise SettingError(
            f"{', '.join(sizes) or 'benign_sigma'} would make a grid of {given.counted(count)}"
            f" members: it may have at most {MOST_MEMBERS:,}."
        )


def _values(name: str, value: Any) -> Sequence[Any]:
    """The values along an axis."""
    if name == "seeds":
        return _seeds(value)
    values = value if isinstance(value, list | tuple) else [value]
    if not values:
        raise SettingError(f"{name} is {given.shown(value)}: give at least one value.")
    kind = given.kinds_of(Config)[name].of
    found = [given.one(name, item, kind) for item in values]
    given.distinct(name, found, _SAME.get(name, given.in_32_bits))
    return found


def _seeds(value: Any) -> Sequence[int]:
    if isinstance(value, list | tuple) and value:
        found = [given.one("seeds", seed, int) for seed in value]
        for seed in found:
            given.between("seeds", seed, *given.SEEDS)
        given.distinct("seeds", found, lambda seed: seed % 2**32)
        return found
    if type(value) is not int or value < 1:
        raise SettingError(
            f"seeds is {given.shown(value)}: give how many, at least 1, or a list of them."
        )
    # Longer than any grid may be; `len` of a range counts in 64 bits alone.
    return range(min(value, 2**62))


_SAME = {
    "misalignment": transforms.parse,
    "schedule": lambda spelling: frozenset(schedules.parse(spelling)) - {"always"},
    "saboteur": lambda name: name if ":" in name else f"zoo:{name}",
}
"""Words that can be spelled in several ways."""


def _single(name: str, value: Any) -> Any:
    if isinstance(value, list):
        raise SettingError(f"{name} is a list, but only {', '.join(axes())} may be one.")
    return given.one(name, value, given.kinds_of(Config)[name].of)
