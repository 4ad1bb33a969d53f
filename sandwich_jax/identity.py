"""What tells members apart: every setting that one depends on, however many there come to be.

Taken from the configuration itself and from what its kinds declare (`uses`): a report, a sweep's
table and its curves all ask here, so that a new setting is told apart in all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandwich_jax import config as configs
from sandwich_jax import given, uses
from sandwich_jax.config import Config, default_of
from sandwich_jax.errors import SettingError
from sandwich_jax.members import strengths_in

SPANNING = ("control", "controls", "benign_sigma")
"""Settings of a run that say which members it has, and nothing of any of them."""
PER_SEED = ("seed", "seeds")
KINDS = ("protocol", "misalignment")
"""What a reader looks for first."""


def columns(config: Config) -> dict[str, Any]:
    """Columns of a member's rows, beside its strengths: all that a sweep may vary.

    None where the member does not depend on it.
    """
    choice = uses.choice_of(config)
    idle = uses.idle(choice) | (set() if choice.asks else {"misalignment"})
    return {name: None if name in idle else getattr(config, name) for name in column_names()}


def column_names() -> tuple[str, ...]:
    """The columns, in order."""
    return tuple(dict.fromkeys((*KINDS, *configs.static_axes(), *configs.traced())))


def settings_of(row: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """What a member's results depend on, beside its strengths and its seed.

    Settings that are missing, since the folder was made before they came, are as by default.

    Args:
        row: one of the member's; where it tells a setting, that is its own.
        config: settings of its run, as JSON holds them.
    """
    default = {name: default_of(name) for name in configs.names()}
    told = {name: row[name] for name in default if row.get(name) is not None}
    known = default | dict(config) | told
    left_out = {*SPANNING, *PER_SEED, *strengths_in([known]), *_idle(known)}
    return {name: value for name, value in known.items() if name not in left_out}


def _idle(settings: Mapping[str, Any]) -> frozenset[str]:
    """What makes no difference; nothing that is known of where a kind is none of this version."""
    chosen = {name: settings[name] for name in uses.Choice._fields if name != "controls"}
    if not all(isinstance(value, str) for value in chosen.values()):
        return frozenset()
    choice = uses.Choice(**chosen)
    try:
        return uses.idle(choice) | (set() if choice.asks else {"misalignment"})
    except SettingError:
        return frozenset()


def of_row(row: Mapping[str, Any]) -> tuple:
    """The same for the rows of one cell: of a member whatever its seed and round.

    Args:
        row: with its strengths, and `settings` as from `settings_of`.
    """
    settings = row["settings"] if "settings" in row else settings_of(row, {})
    strengths = ((name, row.get(name)) for name in strengths_in([row]))
    return (row.get("source"), key(settings), key(dict(strengths)))


def key(settings: Mapping[str, Any]) -> tuple:
    """The same for the same settings, and hashable whatever a damaged file holds."""
    return tuple(sorted((str(name), _plain(value)) for name, value in settings.items()))


def _plain(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return text(value) if number else json.dumps(value, sort_keys=True, default=str)


def text(value: Any) -> str:
    """A setting as a reader reads it: numbers in as few digits as tell which they are."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return given.exact(float(value))
        except OverflowError:
            return given.shown(value)
    return "" if value is None else str(value)


def varied(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Those of these settings that rows which depend on them differ in."""
    kept = list(rows)
    values = {n: {_plain(row[n]) for row in kept if row.get(n) is not None} for n in names}
    return [name for name in names if len(values[name]) > 1]


def fields() -> tuple[str, ...]:
    """Settings that may tell members apart, in order, beside strengths."""
    left_out = {*SPANNING, *PER_SEED, *uses.strength_names()}
    return tuple(name for name in configs.names() if name not in left_out)
