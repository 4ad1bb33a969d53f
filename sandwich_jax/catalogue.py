"""Every kind that can be chosen, as it declares itself: what `sandwich-jax kinds` and docs tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sandwich_jax import config as configs
from sandwich_jax import given, kinds, uses
from sandwich_jax.declare import Setting
from sandwich_jax.errors import SettingError


class Entry(NamedTuple):
    """A kind."""

    part: str
    """The setting that chooses it; "measure" for what `evaluate` measures."""
    name: str
    says: str
    settings: Mapping[str, Setting]
    """What it declares itself."""
    depends: tuple[str, ...]
    """Settings of every run that it depends on besides."""
    source: str


def entries() -> Iterator[Entry]:
    """All kinds that say what they do, by the setting that chooses them."""
    for part, own in uses.kinds().items():
        for name, kind in own.items():
            if kind.says:
                depends = tuple(sorted(kind.uses - set(kind.declares)))
                yield Entry(part, name, kind.says, kind.declares, depends, kind.source)
    for name, told in _measures().items():
        yield Entry("measure", name, told[0], {}, (), told[1])


def _measures() -> Mapping[str, tuple[str, str]]:
    """What each tells, and its source."""
    kept = kinds.measures()
    if kept is not None:
        return kept
    from sandwich_jax.measures.of_games import MEASURES

    return {name: (one.says, one.source) for name, one in MEASURES.items()}


def named(name: str, every: Iterable[Entry]) -> list[Entry]:
    """Those of a name: a protocol for moves and one for sentences may share it.

    Raises:
        SettingError: there is none.
    """
    every = list(every)
    found = [one for one in every if one.name == name]
    if not found:
        names = list(dict.fromkeys(one.name for one in every))
        raise SettingError(given.unknown("kind", name, names, given.ALL_KINDS))
    return found


def value(setting: Setting) -> str:
    """A setting where nobody gives it, as a table tells it."""
    if isinstance(setting.default, given.Unset):
        return "must be given"
    values = setting.default if isinstance(setting.default, tuple) else (setting.default,)
    shown = (given.exact(v) if isinstance(v, float) else str(v) for v in values)
    return ", ".join(shown)


def how(setting: Setting) -> str:
    """Whether it is traced, and whether a sweep may vary it."""
    if setting.traced:
        return "traced"
    return "compiled" if setting.axis else "fixed in a sweep"


def table_of_kinds(part: str) -> list[str]:
    """The settings that kinds chosen by `part` declare, as lines of Markdown."""
    rows = [
        (f"`{name}`", f"`{one.name}`", setting)
        for one in entries()
        if one.part == part
        for name, setting in one.settings.items()
    ]
    owners: dict[tuple[str, Setting], list[str]] = {}
    for name, kind, setting in rows:
        owners.setdefault((name, setting), []).append(kind)
    lines = ["| setting | of | what it is | range | default | |", "| --- " * 6 + "|"]
    for (name, setting), own in owners.items():
        lines.append(_row(name, ", ".join(own), setting))
    return lines


def table_of_runs() -> list[str]:
    """The settings of every run, as lines of Markdown."""
    return table_of(configs.core())


def table_of(declared: Mapping[str, Setting]) -> list[str]:
    """Settings as lines of Markdown."""
    lines = ["| setting | what it is | range | default | |", "| --- " * 5 + "|"]
    for name, setting in declared.items():
        lines.append(_row(f"`{name}`", None, setting))
    return lines


def _row(name: str, owner: str | None, setting: Setting) -> str:
    told = [name, *([owner] if owner else []), setting.says, setting.range]
    told += [value(setting), how(setting)]
    return f"| {' | '.join(told)} |"
