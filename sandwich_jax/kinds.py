"""What may be chosen, told without loading what computes it.

Each kind says beside its code what it is and which settings it has. To load that code takes
seconds, and a mistake in a setting should be told in less. So the same is kept as a table,
`kinds.json`, that `python -m scripts.kinds_table` makes out of the declarations, with a checksum of
every file that holds some. The table speaks only while none of these files has changed and nothing
of them is loaded, as it is in a program that brings kinds of its own; then they speak themselves.
"""

from __future__ import annotations

import functools
import importlib
import json
import pathlib
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sandwich_jax import declare, games, given
from sandwich_jax.declare import Setting
from sandwich_jax.errors import SettingError

ROOM = pathlib.Path(__file__).parent
TABLE = ROOM / "kinds.json"
SOURCES = (
    "declare.py",
    "games",
    "language/protocols.py",
    "measures/of_games.py",
    "misalign",
    "objectives.py",
    "openings.npz",
    "oversight",
    "settings.py",
    "small_openings.npz",
    "words.py",
)
"""Files and folders of this package that declare what the table tells."""
REGISTRIES = tuple(
    f"sandwich_jax.{name}"
    for name in ("misalign.transforms", "misalign.schedules", "oversight.protocols", "objectives")
)
PARTS = ("misalignment", "schedule", "objective", "protocol")
"""Settings that choose a kind."""
_TYPES = {"float": float, "int": int, "str": str, "bool": bool}


class Kind(NamedTuple):
    """One that can be chosen."""

    declares: Mapping[str, Setting]
    """Its own settings."""
    uses: frozenset[str]
    """All settings of a run that it depends on."""
    says: str = ""
    source: str = ""
    asks: bool = True
    """Of a protocol: whether there is an A at all."""
    wants: tuple[str, ...] = ()
    """Parts of advice that a protocol asks for, or that an objective learns from."""
    chess: bool = False
    """It is of no use in other games."""
    borrows: bool = False
    """A misalignment of moves that needs a saboteur."""
    by_values: bool = False
    """A misalignment that leaves every move as it is."""
    judges_moves: bool = False
    """A schedule that compares A's move with E's."""
    clipped: bool = False
    """An objective of PPO's loss."""
    soft: bool = False
    """An objective that learns distributions."""
    corpus: bool = False
    """An objective that learns from games from elsewhere."""


class Facts(NamedTuple):
    """Of a game."""

    openings: int
    """Of the arena."""
    longest: int
    """Plies after an opening that it is followed."""
    material: bool
    """Pieces have a worth."""


class Book:
    """All kinds by the setting that chooses them; the same object while there are no others."""

    def __init__(self, parts: Mapping[str, Mapping[str, Kind]]):
        self.parts = parts

    def named(self, part: str, name: str) -> Kind:
        """A kind.

        Raises:
            SettingError: there is none of this name.
        """
        if name not in self.parts[part]:
            raise SettingError(given.unknown(part, name, self.parts[part], given.ALL_KINDS))
        return self.parts[part][name]

    def joined(self, part: str, spelling: str) -> tuple[str, ...]:
        """Names in a spelling such as "policy_noise+random_move", in order.

        Raises:
            SettingError: a name is unknown.
        """
        return given.joined(part, spelling, self.parts[part])


def book() -> Book:
    """What there is now: kinds may come and go."""
    if not any(module in sys.modules for module in REGISTRIES):
        kept = table()
        if kept is not None:
            return _kept_book()
    global _last  # asked hundreds of times a configuration, and to compare is soon done
    now = _registries()
    if _last is None or _last[0] != now:
        _last = tuple(map(dict, now)), _registered(*now)
    return _last[1]


def game(name: str) -> Facts:
    """What settings have to know of a game.

    Raises:
        SettingError: there is no such game.
    """
    kept = table()
    if kept is not None and name in kept["games"]:
        return Facts(*kept["games"][name])
    return facts_of(name)


@functools.cache
def facts_of(name: str) -> Facts:
    """The same from the game itself."""
    made = games.make(name)
    longest = made.max_plies - made.openings("train").shape[1]
    return Facts(len(made.openings("arena")), longest, made.material is not None)


def measures() -> Mapping[str, tuple[str, str]] | None:
    """What each measure tells, and its source; None where they must be asked themselves."""
    kept = table()
    if kept is None or "sandwich_jax.measures.of_games" in sys.modules:
        return None
    return {name: tuple(told) for name, told in kept["measures"].items()}


def of_text() -> Mapping[str, Kind] | None:
    """Protocols for sentences; None where they must be asked themselves."""
    kept = table()
    if kept is None or "sandwich_jax.language.protocols" in sys.modules:
        return None
    return {name: _unpacked(told) for name, told in kept["text"].items()}


# --- from the registries ------------------------------------------------------------------------


_Registry = Mapping[str, Any]
_last: tuple[tuple[_Registry, ...], Book] | None = None
"""The registries as they were when somebody last asked, and what they told."""


@functools.cache
def _homes() -> tuple[Any, ...]:
    return tuple(map(importlib.import_module, REGISTRIES))


def _registries() -> tuple[_Registry, ...]:
    transforms, schedules, protocols, objectives = _homes()
    return transforms.TRANSFORMS, schedules.SCHEDULES, objectives.OBJECTIVES, protocols.PROTOCOLS


def _registered(of_a: _Registry, when: _Registry, learning: _Registry, ways: _Registry) -> Book:
    from sandwich_jax.oversight import protocols

    found: dict[str, dict[str, Kind]] = {part: {} for part in PARTS}
    for name, kind in of_a.items():
        found["misalignment"][name] = _told(kind)._replace(
            chess=kind.chess, borrows="saboteur" in kind.needs, by_values=kind.move is None
        )
    for name, kind in when.items():
        found["schedule"][name] = _told(kind)._replace(
            chess=kind.chess, judges_moves=kind.judges_moves
        )
    for name, kind in learning.items():
        found["objective"][name] = _told(kind)._replace(
            wants=tuple(kind.wants), clipped=kind.clipped, soft=kind.soft, corpus=kind.corpus
        )
    for name in ways:
        made = protocols.make(name)
        found["protocol"][name] = _told(made, type(made.settings))._replace(
            asks=made.asks, wants=tuple(made.wants)
        )
    return Book(found)


def _told(kind: Any, settings: type | None = None) -> Kind:
    declares = declare.declared(settings or kind.settings)
    return Kind(declares, frozenset(kind.uses), kind.says, kind.source)


# --- as a table ---------------------------------------------------------------------------------


@functools.cache
def table() -> Mapping[str, Any] | None:
    """The table; None where it is not there or older than what declares it."""
    try:
        found = json.loads(TABLE.read_text(encoding="utf-8"))
        return found if found["sources"] == dict(checksums()) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def checksums() -> Iterator[tuple[str, int]]:
    """Of every file that declares something, line ends apart."""
    for name in SOURCES:
        place = ROOM / name
        for path in sorted(place.glob("*.py")) if place.is_dir() else [place]:
            data = path.read_bytes()
            if path.suffix == ".py":
                data = data.replace(b"\r\n", b"\n")
            yield path.relative_to(ROOM).as_posix(), zlib.crc32(data)


def made(measures: Mapping[str, Sequence[str]], of_text: Mapping[str, Kind]) -> dict[str, Any]:
    """The table as it should be.

    Args:
        measures: what each tells, and its source.
        of_text: protocols for sentences.
    """
    parts = _registered(*_registries()).parts
    return {
        "sources": dict(checksums()),
        "games": {name: list(facts_of(name)) for name in games.NAMES},
        "measures": {name: list(told) for name, told in measures.items()},
        "text": {name: _packed(kind) for name, kind in of_text.items()},
        "kinds": {
            part: {name: _packed(kind) for name, kind in own.items()} for part, own in parts.items()
        },
    }


def _packed(kind: Kind) -> dict[str, Any]:
    """A kind as JSON; what it has as by default is left out."""
    told = {"declares": {}, "uses": sorted(kind.uses)}
    for name, setting in kind.declares.items():
        own: dict[str, Any] = _changed(setting, 3) | {"says": setting.says}
        own["of"] = setting.of.__name__
        if not isinstance(setting.default, given.Unset):
            own["default"] = setting.default
        told["declares"][name] = own
    return told | _changed(kind, 2)


def _changed(of: Any, first: int) -> dict[str, Any]:
    names = of._fields[first:]
    return {n: getattr(of, n) for n in names if getattr(of, n) != of._field_defaults[n]}


@functools.cache
def _kept_book() -> Book:
    kept = table()
    assert kept is not None
    return Book({
        part: {name: _unpacked(told) for name, told in own.items()}
        for part, own in kept["kinds"].items()
    })  # fmt: skip


def _unpacked(told: Mapping[str, Any]) -> Kind:
    declares = {}
    for name, own in told["declares"].items():
        default = _frozen(own["default"]) if "default" in own else given.NO_STRENGTH
        rest = {key: _frozen(value) for key, value in own.items()}
        declares[name] = Setting(**rest | {"default": default, "of": _TYPES[own["of"]]})
    rest = {key: _frozen(value) for key, value in told.items()}
    return Kind(**rest | {"declares": declares, "uses": frozenset(told["uses"])})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
