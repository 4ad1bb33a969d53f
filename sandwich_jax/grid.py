"""A sweep: what its file says, as runs of one member, program by program.

A list in the file is an axis of the grid. Strengths, `members.NUMBERS` and seeds are traced:
members that differ in these alone are lanes of one program. What is in `STATIC` (misalignment,
protocol, objective ...) is compiled: a program for each combination.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sandwich_jax.members import (
    CONTROL,
    NUMBERS,
    SIZES,
    Config,
    Member,
    members_of,
    program_of,
    protocol_of,
    strength_names,
    strengths_used,
)
from sandwich_jax.misalign import saboteurs, schedules
from sandwich_jax.misalign.transforms import TRANSFORMS
from sandwich_jax.oversight.protocols import KNOBS
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
ABOUT_A = (
    "schedule",
    "lasts",
    "saboteur",
    *schedules.NUMBERS,
    *saboteurs.NUMBERS,
    *KNOBS,
    *SIZES,
)
"""Settings that a member without an assistant does not depend on."""


_OF_MISALIGNMENTS = ("schedule", "lasts", "saboteur", *schedules.NUMBERS, *saboteurs.NUMBERS)
_IDLE: dict[str, Any] = {name: getattr(Config, name) for name in _OF_MISALIGNMENTS}
_IDLE["misalignment"] = next(iter(TRANSFORMS))


class Part(NamedTuple):
    """A member of a sweep: a run of its own, with one member."""

    config: Config

    @property
    def member(self) -> Member:
        """The one that `config` spans."""
        return members_of(self.config)[0]

    @property
    def id(self) -> str:
        """Names this member for good, whatever else the grid holds: a folder's name."""
        plain = json.dumps(dataclasses.asdict(self.config), sort_keys=True)
        digest = hashlib.sha256(plain.encode()).hexdigest()[:8]
        name = self.member.name.replace(" ", "-").replace("+", "-and-")
        return f"{name}-seed={self.config.seed}-{digest}"

    @property
    def program(self) -> Config:
        """What is compiled for it: the same for members that differ in traced numbers alone."""
        default = Config()
        changes: dict[str, Any] = dict.fromkeys(strength_names(), (0.0,))
        changes |= {name: getattr(default, name) for name in NUMBERS}
        changes["kl"] = float(self.config.kl > 0)  # without it, nothing of it is compiled
        return dataclasses.replace(self.config, seed=0, **changes)

    @property
    def cell(self) -> Config:
        """Its place in the grid: the same for members that differ in the seed alone."""
        return dataclasses.replace(self.config, seed=0)

    @property
    def control(self) -> Part:
        """The member that never asks, all else being equal."""
        return Part(_control_of(self.config))


def axes() -> tuple[str, ...]:
    """Settings that may be lists."""
    return (*STATIC, *strength_names(), *NUMBERS, "seeds")


def parse(settings: Mapping[str, Any]) -> tuple[Part, ...]:
    """The members that a sweep file spans, in the order in which they should run.

    Controls come first, then program by program; within one, all strengths of the first seed
    before the second. A member that never asks depends on no strength and runs once a seed.

    Args:
        settings: any setting of `Config` but `seed`, and `seeds`: a list, or how many from 0.

    Raises:
        SettingError: an unknown or unusable setting.
    """
    known = {f.name for f in dataclasses.fields(Config)} - {"seed"} | {"seeds"}
    for name in settings:
        if name not in known:
            hint = " (a sweep has seeds)" if name == "seed" else ""
            raise SettingError(
                f"Unknown setting '{name}'{hint}: choose from {', '.join(sorted(known))}."
            )
    settings = dict(settings)
    wanted = {name: tuple(settings.pop(name, ())) for name in ("controls", "benign_sigma")}
    single = {name: _single(name, v) for name, v in settings.items() if name not in axes()}
    single["controls"] = tuple(name for name in wanted["controls"] if name == "argmax")
    static = [_values(name, settings) for name in STATIC]
    configs: dict[Config, None] = {}
    for combination in itertools.product(*static):
        chosen = dict(zip(STATIC, combination, strict=True))
        for numbers in _numbers(chosen["misalignment"], settings):
            used = _used_by_protocol(single | chosen | numbers)
            configs[_config(used)] = None
    _refuse_unused(settings)
    parts = [Part(_control_of(c) if c.protocol == CONTROL else c) for c in configs]
    if single.get("control", True):
        parts = [part.control for part in parts] + parts
    parts += [extra for c in configs for extra in _controls(c, **wanted)]
    return tuple(dict.fromkeys(_by_program(parts)))


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
    seeds = list(dict.fromkeys(part.config.seed for part in parts))
    ordered = programs(parts).values()
    return [p for own in ordered for p in sorted(own, key=lambda q: seeds.index(q.config.seed))]


def _config(settings: dict[str, Any]) -> Config:
    alone: dict[str, Any] = settings | {"control": False}
    return Config(**alone)


def _used_by_protocol(settings: dict[str, Any]) -> dict[str, Any]:
    """Without what the protocol has no use of: members that differ in that alone are one."""
    plain = {k: v for k, v in settings.items() if k not in (*KNOBS, *SIZES)}
    uses = protocol_of(Config(protocol=settings["protocol"])).uses
    return plain | {k: v for k, v in settings.items() if k in uses}


def _control_of(config: Config) -> Config:
    strengths = dict.fromkeys(strength_names(), (0.0,))
    # What a member without an assistant does not depend on gets one value for all.
    default = Config()
    idle = {name: getattr(default, name) for name in ABOUT_A}
    idle |= {"misalignment": next(iter(TRANSFORMS)), "every": 1, "protocol": CONTROL}
    changes: dict[str, Any] = idle | strengths
    return dataclasses.replace(config, **changes)


def _controls(
    config: Config, controls: tuple[str, ...], benign_sigma: tuple[float, ...]
) -> list[Part]:
    """The further controls of a member, as members of their own."""
    if "benign" in controls and not benign_sigma:
        raise SettingError(
            "controls has benign: a sweep needs benign_sigma, which `sandwich-jax run` finds and"
            " writes into its manifest.json."
        )
    if not protocol_of(config).asks:
        controls, benign_sigma = tuple(set(controls) - {"ceiling", "random", "benign"}), ()
    asked = dataclasses.replace(
        config, control=False, controls=(*controls,), benign_sigma=tuple(map(float, benign_sigma))
    )
    found = []
    for member in members_of(asked):
        if member.role and member.role != CONTROL:
            own = {name: (value,) for name, value in member.strengths}
            changes: dict[str, Any] = {"controls": config.controls} | own
            if member.assistant == "E":  # one for all misalignments
                changes |= dict.fromkeys(own, (0.0,)) | _IDLE
            found.append(Part(dataclasses.replace(program_of(asked, member), **changes)))
    return found


def _numbers(misalignment: str, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of traced numbers that this misalignment has a use of."""
    used = strengths_used(misalignment)
    for name in used:
        if name not in settings:
            raise SettingError(f"Misalignment '{misalignment}' needs {name}: a list of strengths.")
    names = (*used, *NUMBERS, "seeds")
    idle = dict.fromkeys(set(strength_names()) - set(used), (0.0,))
    found = []
    for values in itertools.product(*(_values(name, settings) for name in names)):
        numbers = dict(zip(names, values, strict=True))
        numbers |= {name: (numbers[name],) for name in used}
        found.append(idle | numbers | {"seed": numbers["seeds"]})
    return [{k: v for k, v in numbers.items() if k != "seeds"} for numbers in found]


def _refuse_unused(settings: Mapping[str, Any]) -> None:
    kinds = _values("misalignment", settings)
    used = {name for kind in kinds for name in strengths_used(kind)}
    for name in set(strength_names()) - used:
        if name in settings:
            raise SettingError(
                f"{name} is set, but misalignment '{', '.join(kinds)}' has no use of it."
            )
    chosen = _values("protocol", settings)
    uses = {name for one in chosen for name in protocol_of(Config(protocol=one)).uses}
    for name in (*KNOBS, *SIZES):
        if name in settings and name not in uses:
            raise SettingError(
                f"{name} is set, but protocol '{', '.join(chosen)}' has no use of it."
            )


def _values(name: str, settings: Mapping[str, Any]) -> list[Any]:
    """The values along an axis."""
    if name == "seeds":
        seeds = settings.get("seeds", [0])
        given = list(range(seeds)) if type(seeds) is int else seeds
    else:
        given = settings.get(name, getattr(Config(), name))
        given = given if isinstance(given, list | tuple) else [given]
    if not isinstance(given, list | tuple) or not given:
        raise SettingError(f"{name} is {given!r}: give at least one value.")
    kind = int if name == "seeds" else float if name in strength_names() else _type_of(name)
    return list(dict.fromkeys(_checked(name, value, kind) for value in given))


def _single(name: str, value: Any) -> Any:
    if isinstance(value, list):
        raise SettingError(f"{name} is a list, but only {', '.join(axes())} may be one.")
    return _checked(name, value, _type_of(name))


def _type_of(name: str) -> type:
    return type(getattr(Config(), name))


def _checked(name: str, value: Any, kind: type) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise SettingError(f"{name} is {value!r}: it must be of type {kind.__name__}.")
    return value
