"""A sweep: what its file says, as runs of one member, program by program."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sandwich_jax import config as configs
from sandwich_jax import given, sweep_file, uses
from sandwich_jax.config import default_of
from sandwich_jax.controls import NEED_A
from sandwich_jax.errors import SettingError
from sandwich_jax.kinds import book
from sandwich_jax.members import (
    CONTROL,
    Config,
    Member,
    changed,
    compiled_of,
    members_of,
    program_of,
)
from sandwich_jax.sweep_file import Asked, axes

__all__ = ["Part", "axes", "cells", "parse", "programs"]

MOST_LETTERS = 160
"""Of a member's name in that of its folder."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A member of a sweep: a run of its own, with one member."""

    config: Config

    @functools.cached_property
    def member(self) -> Member:
        """The one that `config` spans."""
        return members_of(self.config)[0]

    @functools.cached_property
    def id(self) -> str:
        """Names this member for good, whatever else the grid holds: a folder's name."""
        name = self.member.name.replace(" ", "-").replace("+", "-and-")
        return f"{given.cut(name, MOST_LETTERS)}-seed={self.config.seed}-{given.digest(self.key)}"

    @functools.cached_property
    def key(self) -> str:
        """The same for the same member in all versions: what it has other than by default."""
        return key_of(self.config.plain())

    @functools.cached_property
    def program(self) -> Config:
        """What is compiled for it: the same for members that differ in traced numbers alone."""
        return compiled_of(self.config, self.member)

    @functools.cached_property
    def cell(self) -> Config:
        """Its place in the grid: the same for members that differ in the seed alone."""
        return dataclasses.replace(self.config, seed=0)

    @functools.cached_property
    def control(self) -> Part:
        """The member that never asks, all else being equal."""
        return Part(_control_of(self.config))


def parse(settings: Mapping[str, Any]) -> tuple[Part, ...]:
    """The members that a sweep file spans, in the order in which they should run.

    Controls come first, then program by program; within one, all strengths of the first seed
    before the second. A member that never asks depends on no strength and runs once a seed.

    Args:
        settings: see `sweep_file.read`.

    Raises:
        SettingError: an unknown or unusable setting, one that no member depends on, or a grid that
            is too large to be held.
    """
    asked = sweep_file.read(settings)
    configs = list(dict.fromkeys(_configs(asked)))
    parts = [Part(_control_of(c) if c.protocol == CONTROL else c) for c in configs]
    if asked.single.get("control", True):
        parts = [part.control for part in parts] + parts
    some_ask = any(uses.choice_of(c).asks for c in configs)
    parts += [extra for c in configs for extra in _controls(c, asked, some_ask)]
    return tuple(dict.fromkeys(_by_program(parts)))


def key_of(settings: Mapping[str, Any]) -> str:
    """What tells a member from others, out of all its settings as a manifest holds them.

    Settings as by default are left out: one that comes later changes nothing of what is there.
    """
    told = {name: list(v) if isinstance(v, tuple) else v for name, v in settings.items()}
    own = {name: value for name, value in told.items() if not _by_default(name, value)}
    return json.dumps(own, sort_keys=True)


def _by_default(name: str, value: Any) -> bool:
    setting = configs.about(name)
    if setting is None:
        return False
    if setting.strength:  # 0 is an honest A, whether it is said or not
        return not (isinstance(value, list) and any(value))
    return value == (list(setting.default) if setting.many else setting.default)


def programs(parts: Sequence[Part]) -> dict[Config, list[Part]]:
    """Members by what is compiled for them."""
    found: dict[Config, list[Part]] = {}
    for part in parts:
        found.setdefault(part.program, []).append(part)
    return found


def cells(parts: Sequence[Part]) -> dict[Config, list[Part]]:
    """Members by their place in the grid: one a seed."""
    found: dict[Config, list[Part]] = {}
    for part in parts:
        found.setdefault(part.cell, []).append(part)
    return found


def _by_program(parts: Sequence[Part]) -> list[Part]:
    seeds = {seed: place for place, seed in enumerate(dict.fromkeys(p.config.seed for p in parts))}
    ordered = programs(parts).values()
    return [p for own in ordered for p in sorted(own, key=lambda q: seeds[q.config.seed])]


def _configs(asked: Asked) -> Iterator[Config]:
    """Every combination of values that makes a difference, as a run of one member."""
    # The arena has W at temperature 0 for all of them; other controls are members.
    shared = {"controls": tuple(name for name in asked.controls if name == "argmax")}
    for chosen in sweep_file.choices(asked):
        idle = uses.idle(chosen.choice)
        kinds = {n: v for n, v in chosen.kinds.items() if n not in idle}  # also where kinds have it
        single = {n: v for n, v in asked.single.items() if n not in idle}
        for values in itertools.product(*(asked.lists[name] for name in chosen.axes)):
            own = dict(zip(chosen.axes, values, strict=True))
            own |= {name: (own[name],) for name in own if _is_strength(name)}
            own["seed"] = own.pop("seeds")
            yield Config(**single | shared | kinds | own | {"control": False})


def _is_strength(name: str) -> bool:
    setting = configs.about(name)
    return setting is not None and setting.strength


def _control_of(config: Config) -> Config:
    """The same without an assistant."""
    return changed(config, {"misalignment": _first(), "protocol": CONTROL})


def _first() -> str:
    """Stands for all where there is no misalignment."""
    return next(iter(book().parts["misalignment"]))


def _controls(config: Config, asked: Asked, some_ask: bool) -> list[Part]:
    """The further controls of a member, as members of their own.

    Where no member asks, those that need an A are refused; else they are left to those that do.
    """
    controls, benign_sigma = asked.controls, asked.benign_sigma
    if "benign" in controls and not benign_sigma:
        raise SettingError(
            "controls has benign: a sweep needs benign_sigma, which `sandwich-jax run` finds and"
            " writes into its manifest.json."
        )
    if some_ask and not uses.choice_of(config).asks:
        controls = tuple(name for name in controls if name not in NEED_A)
        benign_sigma = ()
    corpus = asked.single.get("corpus", config.corpus)
    changes = {"controls": controls, "benign_sigma": benign_sigma, "corpus": corpus}
    wanted = changed(config, changes | {"control": False})
    found = []
    for member in members_of(wanted):
        if member.role and member.role != CONTROL:
            own: dict[str, Any] = {name: (value,) for name, value in member.strengths}
            if member.assistant == "E":  # one for all misalignments
                own = _honest()
            own["controls"] = config.controls
            found.append(Part(changed(program_of(wanted, member), own)))
    return found


def _honest() -> dict[str, Any]:
    """What an A that is E does not depend on, by default."""
    names = [n for n in ("schedule", *uses.of_assistants()) if not _is_strength(n)]
    strengths = {name: (0.0,) for name in uses.strengths_used(_first())}
    return {n: default_of(n) for n in names} | strengths | {"misalignment": _first()}
