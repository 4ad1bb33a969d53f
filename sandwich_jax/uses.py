"""Which settings the chosen kinds have a use of: what they declare beside their code.

What a member does not depend on is told from what it does here and nowhere else: settings that
change nothing are refused, members that differ in those alone are one, and a report tells curves
apart by the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from sandwich_jax import given
from sandwich_jax.controls import CONTROLS
from sandwich_jax.declare import Setting, long_name
from sandwich_jax.errors import SettingError
from sandwich_jax.kinds import Book, Kind, book

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
        return book().named("protocol", self.protocol).asks


def choice_of(of: Any) -> Choice:
    """The choice in anything that has these settings as attributes, such as a `Config`."""
    return Choice(*(getattr(of, name) for name in Choice._fields))


# --- what is declared ---------------------------------------------------------------------------


def kinds() -> Mapping[str, Mapping[str, Kind]]:
    """All kinds by the setting that chooses them, controls among them."""
    return _with_controls(book())


@functools.lru_cache(maxsize=8)
def _with_controls(known: Book) -> Mapping[str, Mapping[str, Kind]]:
    objectives = known.parts["objective"]

    def control(changes: Mapping[str, Any]) -> Kind:
        # What a control's own objective adds to that of its run.
        name = changes.get("objective")
        corpus = ("corpus",) if name and objectives[name].corpus else ()
        return Kind({}, frozenset(corpus))

    found = {name: control(one.changes) for name, one in CONTROLS.items()}
    benign = Kind({}, frozenset({"benign_sigma"}))
    return {**known.parts, "controls": found | {"benign": benign}}


def owned() -> Mapping[str, Setting]:
    """The settings that kinds declare, by their short names, strengths first.

    Raises:
        TypeError: two kinds declare one name and mean different things by it.
    """
    return _owned(book())


@functools.lru_cache(maxsize=8)
def _owned(known: Book) -> Mapping[str, Setting]:
    found: dict[str, Setting] = {}
    for part, own in known.parts.items():
        for kind, about in own.items():
            for name, setting in about.declares.items():
                there = found.setdefault(name, setting)
                same = ("default", "of", "traced", "strength", "many")
                if any(getattr(there, key) != getattr(setting, key) for key in same):
                    raise TypeError(
                        f"{part} '{kind}' declares {name} with another type or default than some"
                        " other kind: name it otherwise."
                    )
    return dict(sorted(found.items(), key=lambda pair: not pair[1].strength))


def find(name: str) -> Setting | None:
    """What is declared of a setting of a kind, by its short or long name."""
    kind, _, short = name.rpartition(".")
    if not kind:
        return owned().get(name)
    for own in kinds().values():
        if kind in own:
            setting = own[kind].declares.get(short)
            # Short ones may have values by default; who spells out whose it is names them too.
            if setting is None or not setting.strength:
                return setting
            return setting._replace(default=given.NO_STRENGTH)
    return None


def strength_names() -> tuple[str, ...]:
    """Short names of settings that span members, each the strength of some misalignment."""
    return tuple(name for name, setting in owned().items() if setting.strength)


def strengths_used(misalignment: str) -> tuple[str, ...]:
    """Those that a misalignment has a use of, as they are spelled there."""
    found = _spelled(Choice(misalignment, "always", "always_follow", "imitate"), book())
    return tuple(name for name, setting in found.items() if setting.strength)


def of_assistants() -> tuple[str, ...]:
    """Settings that some misalignment or schedule depends on, strengths included, in order."""
    parts = book().parts
    declared = [*parts["schedule"].values(), *parts["misalignment"].values()]
    every = (name for kind in declared for name in (*kind.declares, *sorted(kind.uses)))
    return tuple(dict.fromkeys(every))


def conditional() -> frozenset[str]:
    """Settings that are of use to some choices only, by their short names."""
    return _conditional(book())


@functools.lru_cache(maxsize=8)
def _conditional(known: Book) -> frozenset[str]:
    declared = (kind.uses for own in _with_controls(known).values() for kind in own.values())
    return frozenset({*OF_EVERY_A, "network"}.union(*declared))


# --- what is chosen -----------------------------------------------------------------------------


def _chosen_kinds(choice: Choice) -> dict[str, tuple[str, ...]]:
    """Names of the chosen kinds by the setting that chooses them.

    Raises:
        SettingError: a kind is unknown.
    """
    known = kinds()
    book().named("objective", choice.objective)
    found: dict[str, tuple[str, ...]] = {}
    if choice.asks:
        for part in ("misalignment", "schedule"):
            found[part] = tuple(dict.fromkeys(book().joined(part, getattr(choice, part))))
    return found | {
        "protocol": (choice.protocol,),
        "objective": (choice.objective,),
        "controls": tuple(name for name in choice.controls if name in known["controls"]),
    }


@functools.lru_cache(maxsize=4096)
def _spelled(choice: Choice, known: Book) -> Mapping[str, Setting]:
    owners: dict[str, list[tuple[str, Setting]]] = {}
    for part, names in _chosen_kinds(choice).items():
        for kind in names:
            for name, setting in kinds()[part][kind].declares.items():
                owners.setdefault(name, []).append((kind, setting))
    found = {}
    for name, own in owners.items():
        if len(own) == 1:
            found[name] = own[0][1]
        else:
            found |= {long_name(kind, name): setting for kind, setting in own}
    return found


def spelled(choice: Choice) -> Mapping[str, Setting]:
    """What the chosen kinds declare, as a run spells it: long where two of them share a name."""
    return _spelled(choice, book())


def used(choice: Choice) -> frozenset[str]:
    """The conditional settings that a choice has a use of.

    Raises:
        SettingError: a kind is unknown.
    """
    return _used(choice, book())


@functools.lru_cache(maxsize=4096)
def _used(choice: Choice, known: Book) -> frozenset[str]:
    chosen, every = _chosen_kinds(choice), kinds()
    named = _spelled(choice, known)
    found = {
        name for part, names in chosen.items() for kind in names for name in every[part][kind].uses
    }
    shared = {name.rpartition(".")[2] for name in named if "." in name}
    found = set(found - shared) | set(named)
    if choice.asks:
        found.update(OF_EVERY_A)
    if any(getattr(choice, name).startswith(FRESH) for name in NETWORKS):
        found.add("network")
    if not every["objective"][choice.objective].soft:
        found -= {name for name, setting in named.items() if setting.of_policies}
    return frozenset(found)


def idle(choice: Choice) -> frozenset[str]:
    """The settings that make no difference to a choice, by their short names.

    Raises:
        SettingError: a kind is unknown.
    """
    return conditional() - used(choice)


def makes_no_difference(name: str, choice: Choice) -> bool:
    """Whether a setting, by its short or long name, is idle."""
    return name not in used(choice) and (name in conditional() or "." in name)


def plainly(own: Mapping[str, Any], choice: Choice) -> dict[str, Any]:
    """Settings of kinds by the names that a run of this choice has for them.

    Raises:
        SettingError: a short name could be meant for several kinds, or one is given twice.
    """
    named = spelled(choice)
    found: dict[str, Any] = {}
    for name, value in own.items():
        short = name.rpartition(".")[2]
        refuse_ambiguous([name], choice)
        chosen = any(name.rpartition(".")[0] in kinds_ for kinds_ in _chosen_kinds(choice).values())
        usual = short if "." in name and chosen and short in named else name
        if usual in found:
            raise SettingError(f"{usual} is given twice, also as {name}: give it once.")
        found[usual] = value
    return found


def refuse_ambiguous(names: Iterable[str], choice: Choice) -> None:
    """Raises SettingError for a short name that several chosen kinds share."""
    for name in names:
        long = [other for other in spelled(choice) if other.endswith(f".{name}")]
        if long:
            raise SettingError(f"{name} could be meant for {' or '.join(long)}: give each its own.")


def refuse_idle(given: Collection[str], choices: Collection[Choice]) -> None:
    """Raises SettingError where a given setting changes nothing in any of the choices."""
    for name in given:
        if all(makes_no_difference(name, choice) for choice in choices):
            raise SettingError(f"{name} is set, but {_why_idle(name, choices)}.")


def _why_idle(name: str, choices: Collection[Choice]) -> str:
    if name == "network":
        return f"no network is {FRESH}SEED, and stored ones bring their size"
    if any(spelled(choice)[name].of_policies for choice in choices if name in spelled(choice)):
        able = [name for name, kind in kinds()["objective"].items() if kind.soft]
        return f"no objective here learns whole policies: choose one of {', '.join(able)}"
    owner, _, short = name.rpartition(".")
    of_a = short in {*OF_EVERY_A, *of_assistants()}
    if of_a and not any(choice.asks for choice in choices):
        return f"protocol '{_chosen('protocol', choices)}' never asks A: choose one that does"
    own = kinds()
    if owner:
        part = next(part for part, named in own.items() if owner in named)
        return f"{part} is '{_chosen(part, choices)}', not {owner}"
    part = next(part for part, named in own.items() if any(name in k.uses for k in named.values()))
    able = [kind for kind, about in own[part].items() if name in about.uses]
    chosen = _chosen(part, choices)
    return f"{part} '{chosen}' has no use of it: it is for {', '.join(able)}"


def _chosen(part: str, choices: Collection[Choice]) -> str:
    values = (getattr(choice, part) for choice in choices)
    return ", ".join(dict.fromkeys(v if isinstance(v, str) else "+".join(v) for v in values))
