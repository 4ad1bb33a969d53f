"""Which settings the chosen kinds have a use of: what they declare beside their code.

What a member does not depend on is told from what it does here and nowhere else: settings that
change nothing are refused, members that differ in those alone are one, and a report tells curves
apart by the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from sandwich_jax.controls import CONTROLS
from sandwich_jax.misalign import schedules, transforms
from sandwich_jax.objectives import OBJECTIVES
from sandwich_jax.oversight import protocols
from sandwich_jax.types import SettingError

OF_EVERY_A = ("schedule", "every")
"""What every A depends on, beside what its misalignment and its schedule declare."""
NETWORKS = ("expert", "weak", "saboteur")
"""Settings that spell a network; of them `network` is the size where one is fresh."""
FRESH = "fresh:"


class Choice(NamedTuple):
    """The settings that choose kinds, and so which others are of use."""

    misalignment: str
    schedule: str
    protocol: str
    objective: str
    controls: tuple[str, ...] = ()
    expert: str = ""
    weak: str = ""
    saboteur: str = ""

    @property
    def asks(self) -> bool:
        """Whether there is an A at all."""
        return protocols.make(self.protocol).asks


def choice_of(settings: Any) -> Choice:
    """The choice in anything that has these settings as attributes, such as a `Config`."""
    return Choice(*(getattr(settings, name) for name in Choice._fields))


def kinds() -> Mapping[str, Mapping[str, frozenset[str]]]:
    """All kinds by the setting that chooses them, each with the settings that it declares."""
    return _declared(*_registries())


def _registries() -> tuple[tuple, ...]:
    """What is registered now: kinds may come and go."""
    registries = (transforms.TRANSFORMS, schedules.SCHEDULES, protocols.PROTOCOLS, OBJECTIVES)
    return tuple(tuple(registry.items()) for registry in registries)


@functools.lru_cache(maxsize=8)
def _declared(*registries: tuple) -> Mapping[str, Mapping[str, frozenset[str]]]:
    of_a, when, ways, learning = map(dict, registries)
    declared: dict[str, dict[str, Iterable[str]]] = {
        "misalignment": {name: t.uses for name, t in of_a.items()},
        "schedule": {name: s.uses for name, s in when.items()},
        "protocol": {name: _of_protocol(protocols.make(name)) for name in ways},
        "objective": {name: o.uses for name, o in learning.items()},
        "controls": {"benign": ("benign_sigma",)}
        | {name: _of_objective(c.changes.get("objective")) for name, c in CONTROLS.items()},
    }
    return {
        part: {name: frozenset(uses) for name, uses in found.items()}
        for part, found in declared.items()
    }


def _of_protocol(protocol: protocols.Protocol) -> Iterable[str]:
    # What is learnt from round to round is learnt from results.
    learns = protocol.learn is not protocols.Protocol._field_defaults["learn"]
    return (*protocol.uses, *(("results",) if learns else ()))


def _of_objective(name: str | None) -> Iterable[str]:
    """What a control's own objective adds to that of its run."""
    return ("corpus",) if name and OBJECTIVES[name].corpus else ()


def of_assistants() -> tuple[str, ...]:
    """Settings that some misalignment or schedule declares, strengths included, in order."""
    declared = [*schedules.SCHEDULES.values(), *transforms.TRANSFORMS.values()]
    return tuple(dict.fromkeys(name for kind in declared for name in kind.uses))


def conditional() -> frozenset[str]:
    """Settings that are of use to some choices only."""
    declared = (uses for own in kinds().values() for uses in own.values())
    return frozenset({*OF_EVERY_A, "network"}.union(*declared))


def used(choice: Choice) -> frozenset[str]:
    """The conditional settings that a choice has a use of.

    Raises:
        SettingError: a kind is unknown.
    """
    return _used(choice, *_registries())


@functools.lru_cache(maxsize=4096)
def _used(choice: Choice, *registries: tuple) -> frozenset[str]:
    known = _declared(*registries)
    if choice.objective not in known["objective"]:
        raise SettingError(
            f"Unknown objective '{choice.objective}': choose one of"
            f" {', '.join(known['objective'])}."
        )
    chosen: dict[str, Collection[str]] = {
        "protocol": (choice.protocol,),
        "objective": (choice.objective,),
        "controls": choice.controls,
    }
    found: set[str] = set()
    if choice.asks:
        chosen["misalignment"] = transforms.parse(choice.misalignment)
        chosen["schedule"] = schedules.parse(choice.schedule)
        found.update(OF_EVERY_A)
    if any(getattr(choice, name).startswith(FRESH) for name in NETWORKS):
        found.add("network")
    declared = (known[part].get(name, ()) for part, names in chosen.items() for name in names)
    return frozenset(found.union(*declared))


def idle(choice: Choice) -> frozenset[str]:
    """The settings that make no difference to a choice.

    Raises:
        SettingError: a kind is unknown.
    """
    return conditional() - used(choice)


def refuse_idle(given: Collection[str], choices: Collection[Choice]) -> None:
    """Raises SettingError where a given setting changes nothing in any of the choices."""
    never = frozenset.intersection(*(idle(choice) for choice in choices))
    for name in given:
        if name in never:
            raise SettingError(f"{name} is set, but {_why_idle(name, choices)}.")


def _why_idle(name: str, choices: Collection[Choice]) -> str:
    if name == "network":
        return f"no network is {FRESH}SEED, and stored ones bring their size"
    of_a = name in {*OF_EVERY_A, *of_assistants()}
    if of_a and not any(choice.asks for choice in choices):
        return f"protocol '{_chosen('protocol', choices)}' never asks A: choose one that does"
    part = next(part for part, own in kinds().items() if any(name in u for u in own.values()))
    able = [kind for kind, uses in kinds()[part].items() if name in uses]
    chosen = _chosen(part, choices)
    return f"{part} '{chosen}' has no use of it: it is for {', '.join(able)}"


def _chosen(part: str, choices: Collection[Choice]) -> str:
    values = (getattr(choice, part) for choice in choices)
    return ", ".join(dict.fromkeys(v if isinstance(v, str) else "+".join(v) for v in values))
