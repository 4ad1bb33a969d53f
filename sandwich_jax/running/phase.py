"""What a sweep's folder shows: its grid with intervals over seeds, and where curves cross."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sandwich_jax import grid, identity
from sandwich_jax.folders import places
from sandwich_jax.grid import Part
from sandwich_jax.measures import critical, elo, gap, seeds
from sandwich_jax.members import CONTROL, Config, protocol_of, strengths_in

PGR_LEVEL = 0.5
"""Half of the gap: the PGR whose crossing and price are told."""
STUDENT = "W'"
ASSISTANT = "A"
ADVICE = ("assisted_score", "asked", "corrupted", "followed", "followed_though_corrupted",
          "refused_though_good")  # fmt: skip
"""Of the last round's self-play."""


class Cell(NamedTuple):
    """A place in the grid, over its seeds."""

    config: Config
    fit: elo.Fit
    """Of W, E, A, W' and the control (`never_ask`), the mean over seeds."""
    row: dict[str, Any]


class Phase(NamedTuple):
    """A whole grid."""

    rows: list[dict[str, Any]]
    """One a cell, with the columns of a run's rows; intervals are over seeds where several."""
    critical: list[dict[str, Any]]
    """One a curve: where it crosses, along which strength."""


def phase(folder: pathlib.Path, parts: Sequence[Part]) -> Phase:
    """The grid of a finished sweep."""
    known = set(parts)
    cells = [_cell(folder, own, known) for own in grid.cells(parts).values()]
    return Phase([cell.row for cell in cells], _crossings(cells))


def _cell(folder: pathlib.Path, parts: list[Part], known: set[Part]) -> Cell:
    fits = [elo.fit(pairings(folder, part, known), "W") for part in parts]
    fit = seeds.mean(fits)
    rows = [places.rows_of(folder, part) for part in parts]
    last = [own[-1] for own in rows]
    pgr = gap.recovered(fit, STUDENT, "W", "E")
    assistant = ASSISTANT if ASSISTANT in fit.players else "E"
    spread = {
        "elo_gain": fit.difference(STUDENT, "W"),
        "pgr": pgr,
        "a_elo": fit.difference(assistant, "W") if protocol_of(parts[0].config).asks else None,
        "e_elo": fit.difference("E", "W"),
    }
    if CONTROL in fit.players:
        spread["gain_over_control"] = fit.difference(STUDENT, CONTROL)
    kept = ("round", "member", "role", *identity.KINDS, *strengths_in([last[0]]))
    kept += (*identity.column_names(), "arena_games")
    row = {name: last[0][name] for name in kept} | {"seeds": len(parts)}
    for name, value in spread.items():
        ends = (value.value, value.low, value.high) if value else (None, None, None)
        row |= dict(zip((name, f"{name}_lo", f"{name}_hi"), ends, strict=True))
    row["pgr_verdict"] = gap.verdict(pgr)
    of_a, of_e = spread["a_elo"], spread["e_elo"]
    row["in_regime"] = 0 < of_a.value < of_e.value if of_a else None
    for name in ADVICE:
        row[name] = _mean([one.get(name) for one in last])
    row["answers"] = _mean([sum(one["answers"] for one in own) for own in rows])
    return Cell(parts[0].cell, fit, row | _price(rows, parts[0].config))


def pairings(folder: pathlib.Path, part: Part, known: set[Part]) -> dict[tuple[str, str], Any]:
    """Points of a member's matches by names that seeds and cells share.

    With those of its control, if that is among the `known`.
    """
    names = {part.member.name: STUDENT}
    if part.member.assistant != "E":
        names[part.member.assistant] = ASSISTANT
    found = _points(places.member_folder(folder, part), names)
    if part.control in known and part.control != part:
        own = _points(places.member_folder(folder, part.control), {})
        found |= {pair: points for pair, points in own.items() if CONTROL in pair}
    return found


def _points(folder: pathlib.Path, names: dict[str, str]) -> dict[tuple[str, str], Any]:
    played = places.points_of(folder)
    return {(names.get(a, a), names.get(b, b)): points for (a, b), points in played.items()}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _price(rows: list[list[dict[str, Any]]], config: Config) -> dict[str, Any]:
    """How many games of self-play it takes to a PGR of `PGR_LEVEL`, the seed being the unit."""
    games = np.arange(config.rounds + 1) * config.games
    curves = [[0.0, *(row["pgr"] for row in own)] for own in rows]
    if any(value is None for curve in curves for value in curve):
        return {"games_to_half": None}
    mean = critical.mean_over_seeds(np.asarray(curves, float))
    found = critical.crossing(critical.rises_to(games, mean, PGR_LEVEL), games)
    return {"games_to_half": _plain(found), "games_to_half_text": str(found)}


def _crossings(cells: list[Cell]) -> list[dict[str, Any]]:
    """Critical strengths: one entry for every curve along a strength that the grid varies."""
    found = []
    for name in strengths_in(cell.row for cell in cells):
        curves: dict[tuple, list[Cell]] = {}
        for cell in cells:
            if cell.config.protocol != CONTROL and name in dict(_strengths(cell.config)):
                curves.setdefault(_but(cell.config, name), []).append(cell)
        found += [_critical(name, own) for own in curves.values() if len(own) > 1]
    return found


def _strengths(config: Config) -> tuple[tuple[str, float], ...]:
    return Part(config).member.strengths


def _but(config: Config, name: str) -> tuple:
    """All that cells of one curve have in common."""
    settings = config.plain().items()
    return tuple((key, value) for key, value in settings if key not in (name, "seed"))


def _critical(name: str, cells: list[Cell]) -> dict[str, Any]:
    """Where the gain over the control crosses 0, and where PGR falls under `PGR_LEVEL`."""
    cells = sorted(cells, key=lambda cell: cell.row[name])
    axis = np.asarray([cell.row[name] for cell in cells])
    kept = (*identity.column_names(), *strengths_in([cells[0].row]), "seeds")
    entry = {key: cells[0].row[key] for key in kept} | {name: None, "strength": name}
    entry |= {"gain_over_control_0": None, "pgr_half": None}
    if all(CONTROL in cell.fit.players for cell in cells):
        gains = [cell.fit.of(STUDENT) - cell.fit.of(CONTROL) for cell in cells]
        entry["gain_over_control_0"] = _where(axis, np.stack(gains, axis=1), 0.0)
    if all(cell.row["pgr"] is not None for cell in cells):
        ratios = [_ratio(cell.fit) for cell in cells]
        entry["pgr_half"] = _where(axis, np.stack(ratios, axis=1), PGR_LEVEL)
    return entry


def _ratio(fit: elo.Fit) -> np.ndarray:
    """PGR by resample; where one has no gap it says nothing, and the estimate stands in for it."""
    lead = fit.of("E") - fit.of("W")
    ratio = (fit.of(STUDENT) - fit.of("W")) / np.where(lead > 0, lead, 1.0)
    return np.where(lead > 0, ratio, ratio[0])


def _where(axis: np.ndarray, curves: np.ndarray, level: float) -> dict[str, Any]:
    found = critical.crossing(critical.falls_below(axis, curves, level), axis)
    return _plain(found) | {"text": str(found)}


def _plain(found: critical.Crossing) -> dict[str, float | None]:
    """For JSON: null where the curve does not cross within what was measured."""
    numbers = {"value": found.value, "low": found.low, "high": found.high}
    return {key: x if np.isfinite(x) else None for key, x in numbers.items()}
