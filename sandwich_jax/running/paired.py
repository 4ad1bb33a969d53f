"""Two cells of a sweep compared seed by seed: what one protocol has over another."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from sandwich_jax import uses
from sandwich_jax.grid import Part
from sandwich_jax.measures import elo, seeds
from sandwich_jax.running.phase import STUDENT, pairings
from sandwich_jax.types import SettingError

OTHER = "other W'"
PLAYERS = ("game", "expert", "weak", "network", "arena_temperature", "arena_max_plies")
"""Settings of every player of the arena."""


def difference(
    folder: pathlib.Path,
    first: Sequence[Part],
    second: Sequence[Part],
    elsewhere: pathlib.Path | None = None,
) -> elo.Interval:
    """Elo of W' of one cell over W' of another after the last round.

    The two share seeds, openings and keys. Every seed has one fit of all matches of both, in which
    W, E and A are the same players; several seeds are then averaged with the seed as the unit.

    Args:
        folder: the sweep's.
        first: finished members of one cell.
        second: those of another with the same assistant.
        elsewhere: the sweep that these are of; by default the same.

    Raises:
        SettingError: they differ in seeds, or in anything that W, E or A is made of.
    """
    by_seed = [{part.config.seed: part for part in parts} for parts in (first, second)]
    if set(by_seed[0]) != set(by_seed[1]):
        raise SettingError("Cells of different seeds cannot be paired.")
    theirs = elsewhere or folder
    fits = [_fit(folder, part, theirs, by_seed[1][seed]) for seed, part in by_seed[0].items()]
    return seeds.mean(fits).difference(STUDENT, OTHER)


def differing(first: Part, second: Part) -> list[str]:
    """What the players of two members' matches, W' apart, differ in: settings, or "assistant"."""
    one, two = first.config, second.config
    names = list(PLAYERS)
    if first.member.assistant == second.member.assistant != "E":
        names += ["schedule", *uses.of_assistants()]
    found = [name for name in names if getattr(one, name) != getattr(two, name)]
    other = first.member.assistant != second.member.assistant
    return [*found, "assistant"] if other else found


def _fit(folder: pathlib.Path, first: Part, theirs: pathlib.Path, second: Part) -> elo.Fit:
    """One seed's matches of both."""
    if names := differing(first, second):
        raise SettingError(
            f"{first.id} and {second.id} differ in {', '.join(names)} and cannot be paired."
        )
    other = {
        (_renamed(a), _renamed(b)): points
        for (a, b), points in pairings(theirs, second, set()).items()
    }
    return elo.fit(pairings(folder, first, set()) | other, "W")


def _renamed(player: str) -> str:
    return OTHER if player == STUDENT else player
