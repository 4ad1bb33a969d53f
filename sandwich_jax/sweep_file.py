"""What a sweep's file says: settings with one value, axes, and how many members these span.

A list in the file is an axis of the grid. Strengths, other knobs and seeds are traced: members that
differ in these alone are lanes of one program. Sizes and words (misalignment, protocol, objective
...) are compiled: a program for each combination.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sandwich_jax import config as configs
from sandwich_jax import given, uses
from sandwich_jax.config import default_of
from sandwich_jax.errors import SettingError
from sandwich_jax.kinds import book

CHOOSING = ("misalignment", "schedule", "protocol", "objective", "saboteur")
"""Axes that choose kinds, and so which other settings are of use."""
MOST_MEMBERS = 10_000
"""Of a grid: each is a folder."""


def axes() -> tuple[str, ...]:
    """Settings that may be lists, by their short names."""
    strengths = uses.strength_names()
    return (*configs.static_axes(), *strengths, *configs.traced(), "seeds")


def is_axis(name: str) -> bool:
    """Whether a setting, by its short or long name, may be a list."""
    setting = configs.about(name)
    return name == "seeds" or (setting is not None and setting.axis)


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
    settings = dict(flat(settings))
    known = {*configs.names(), "seeds"} - {"seed"}
    for name in settings:
        if name not in known and ("." not in name or configs.about(name) is None):
            hint = "A sweep has seeds." if name == "seed" else ""
            raise SettingError(
                given.unknown("setting", name, sorted(known), given.ALL_SETTINGS, hint)
            )
    core = configs.core()
    extra = {n: core[n].typed(n, settings.get(n, ())) for n in ("controls", "benign_sigma")}
    for name, values in extra.items():
        given.distinct(name, values)
    rest = {name: value for name, value in settings.items() if name not in extra}
    single = {name: _single(name, v) for name, v in rest.items() if not is_axis(name)}
    order = {name: place for place, name in enumerate(axes())}
    named = sorted(set(rest) - set(single), key=lambda n: (order.get(n, len(order) - 2), n))
    lists = {name: _values(name, rest[name]) for name in named}
    return Asked(single, {"seeds": range(1)} | lists, **extra)


def choices(asked: Asked) -> list[Chosen]:
    """Every combination of kinds.

    Raises:
        SettingError: a kind is unknown or lacks its strength, a setting changes nothing in any of
            the combinations, or the grid is too large to be held.
    """
    values = {name: asked.lists.get(name, (default_of(name),)) for name in CHOOSING}
    _refuse_too_many(math.prod(map(len, values.values())), values)
    fixed = asked.single | {"controls": ()}
    rest = {n: fixed.get(n, default_of(n)) for n in uses.Choice._fields if n not in values}
    found = []
    for combination in itertools.product(*values.values()):
        kinds = dict(zip(values, combination, strict=True))
        choice = uses.Choice(**kinds | rest)
        named = uses.plainly({name: name for name in asked.lists}, choice)
        _refuse_lacking(choice, named)
        own = tuple(
            name
            for usual, name in named.items()
            if name not in CHOOSING and not uses.makes_no_difference(usual, choice)
        )
        found.append(Chosen(kinds, choice, own))
    _refuse_idle(asked, [one.choice for one in found])
    sizes = [math.prod(len(asked.lists[name]) for name in one.axes) for one in found]
    _refuse_too_many(sum(sizes) * max(1, len(asked.benign_sigma)), asked.lists)
    return found


def _refuse_lacking(choice: uses.Choice, named: Mapping[str, str]) -> None:
    """Raises SettingError where a misalignment has no strength, which is a mistake, not a 0."""
    for name in uses.strengths_used(choice.misalignment) if choice.asks else ():
        if name not in named:
            raise SettingError(
                f"Misalignment '{choice.misalignment}' needs {name}: a list of strengths."
            )


def flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A table in the file is of a kind: [sandbag] with p is sandbag.p."""
    known = {kind for own in uses.kinds().values() for kind in own}
    for name, value in settings.items():
        if isinstance(value, Mapping) and name in known:
            yield from ((f"{name}.{inner}", item) for inner, item in value.items())
        else:
            yield name, value


def _refuse_idle(asked: Asked, found: Sequence[uses.Choice]) -> None:
    """Raises SettingError for what makes no difference, unless it is as by default."""
    # W that never asks is compared with others by its protocol's name alone.
    free = () if any(choice.asks for choice in found) else uses.strength_names()
    set_ = [name for name, value in asked.single.items() if value != default_of(name)]
    own = {n: v for n, v in asked.lists.items() if n != "seeds" and n not in free}
    set_ += [name for name, values in own.items() if list(values) != [default_of(name)]]
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
        return seeds_in(value)
    values = value if isinstance(value, list | tuple) else [value]
    if not values:
        raise SettingError(f"{name} is {given.shown(value)}: give at least one value.")
    setting = configs.about(name)
    assert setting is not None
    found = [setting.one(name, item) for item in values]
    given.distinct(name, found, _SAME.get(name, given.in_32_bits))
    return found


def seeds_in(value: Any) -> Sequence[int]:
    """The seeds of a sweep: those of a list, or so many from 0.

    Raises:
        SettingError: it is neither, or a seed comes twice or is out of range.
    """
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
    "misalignment": lambda spelling: book().joined("misalignment", spelling),
    "schedule": lambda spelling: frozenset(book().joined("schedule", spelling)) - {"always"},
    "saboteur": lambda name: name if ":" in name else f"zoo:{name}",
}
"""Words that can be spelled in several ways."""


def _single(name: str, value: Any) -> Any:
    if isinstance(value, list):
        raise SettingError(f"{name} is a list, but only {', '.join(axes())} may be one.")
    return configs.core()[name].one(name, value)
