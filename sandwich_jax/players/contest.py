"""The verbs `match` and `elo`: progress, tables, JSON lines, and what is left after a fault."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandwich_jax import outputs
from sandwich_jax.engines.engine_pool import EngineConfig, EngineFault
from sandwich_jax.folders import store
from sandwich_jax.machine import display, interrupts
from sandwich_jax.measures import elo as ratings
from sandwich_jax.measures import sprt
from sandwich_jax.players import matches, spelled
from sandwich_jax.types import SettingError


@dataclasses.dataclass(frozen=True)
class Scale:
    """Who meets whom, and whose Elo is set to what."""

    schedule: matches.Schedule
    anchor: str
    anchor_elo: float = 0.0


class Standings(NamedTuple):
    """What `elo` found, as JSON values; see `matches.standings` and `matches.row_of`."""

    players: list[dict[str, Any]]
    fit: dict[str, Any]
    matches: list[dict[str, Any]]


def match(
    a: str,
    b: str,
    config: matches.MatchConfig,
    engine: EngineConfig,
    test: sprt.Test | None,
    out: pathlib.Path | None,
    console: Console,
) -> dict[str, Any]:
    """Plays a match, shows it, and returns its row.

    Raises:
        EngineFault: an engine failed too often; what was played by then is shown.
        KeyboardInterrupt: likewise, with a sentence about what is kept.
        SettingError: a player or an engine is missing, or `out` cannot be written.
    """
    rows: list[dict[str, Any]] = []
    with results(out, (a, b), engine) as lines:
        try:
            with matches.Hall((a, b), config, engine) as hall, interrupts.watch() as watch:
                _show_match(_Table(hall, test, lines, console, watch), a, b, rows)
        except KeyboardInterrupt:
            interrupts.leave(bool(rows), out)
    return rows[0]


def elo(
    players: Sequence[str],
    config: matches.MatchConfig,
    engine: EngineConfig,
    scale: Scale,
    out: pathlib.Path | None,
    console: Console,
) -> Standings:
    """Plays all matches of a schedule, shows them and the joint fit, and returns both.

    Raises:
        EngineFault: an engine failed too often; what was played by then is shown, with its fit.
        KeyboardInterrupt: likewise, with a sentence about what is kept.
        SettingError: a player or an engine is missing, or the anchor is none of the players.
    """
    pairs = matches.pairs_of(players, scale.schedule)
    if scale.anchor not in players:
        raise SettingError(f"anchor is '{scale.anchor}': it must be one of the players.")
    rows: list[dict[str, Any]] = []
    with results(out, players, engine) as lines:
        try:
            with matches.Hall(players, config, engine) as hall, interrupts.watch() as watch:
                for a, b in pairs:
                    _show_match(_Table(hall, None, lines, console, watch), a, b, rows)
        except (SettingError, KeyboardInterrupt) as stop:
            _fit(rows, scale, lines, console, cut_off=True)
            if isinstance(stop, SettingError):
                raise
            interrupts.leave(bool(rows), out)
        standings, model = _fit(rows, scale, lines, console)
    return Standings(standings, model, [_plain(row) for row in rows])


class _Table(NamedTuple):
    """Where matches are played, and where they are shown."""

    hall: matches.Hall
    test: sprt.Test | None
    lines: outputs.Lines
    console: Console
    watch: interrupts.Watch


def _show_match(table: _Table, a: str, b: str, rows: list[dict[str, Any]]) -> None:
    """Adds a match to `rows`, written and shown: also what there is of one that is cut off."""
    row: dict[str, Any] = {}
    try:
        table.watch.pause()
        with display.bar("Match") as bar:
            bar.say(f"{a} against {b}")
            for row in matches.growing(table.hall, a, b, table.test):
                openings = table.hall.config.openings
                bar.update(row["games"] // 2, openings, f"{a} {row['score']:.1%} {b}")
                table.watch.pause()
    except (EngineFault, KeyboardInterrupt):
        row |= {"cut_off": True}
        raise
    finally:
        if "games" in row:
            rows.append(row)
            table.console.print(match_table(row))
            if "sprt" in row:
                table.console.print(_test_line(row["sprt"]), highlight=False)
            table.lines.add([_plain(row)])


def _fit(
    rows: Sequence[dict[str, Any]],
    scale: Scale,
    lines: outputs.Lines,
    console: Console,
    cut_off: bool = False,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The joint fit of matches, written and shown; of those that hang together with the anchor."""
    together = ratings.groups((row["a"], row["b"]) for row in rows)
    met = next((group for group in together if scale.anchor in group), ())
    pairings = {(row["a"], row["b"]): row["points"] for row in rows if row["a"] in met}
    if not pairings:
        return [], {}
    standings, model = matches.standings(pairings, scale.anchor, scale.anchor_elo)
    model |= {"cut_off": True} if cut_off else {}
    console.print(standings_table(standings, model))
    lines.add([*standings, model])
    return standings, model


def results(
    out: pathlib.Path | None,
    players: Sequence[str],
    engine: EngineConfig | None = None,
    files: Sequence[pathlib.Path] = (),
) -> outputs.Lines:
    """Where a command's rows go; they are added once they are shown.

    Raises:
        SettingError: nothing can be written at `out`, or the players or `files` are read from it.
    """
    program = [pathlib.Path(engine.path)] if engine and engine.path else []
    return outputs.Lines(out, [*spelled.inputs_of(*players), *program, *files])


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return store.to_plain({key: value for key, value in row.items() if key != "points"})


def match_table(row: dict[str, Any]) -> Table:
    """One match, seen by its first player."""
    low, high = matches.FAIR
    caption = (
        f"Pairs of games by points (0, 1/2 ... 2): {row['pentanomial']}. 95% interval of pairs."
    )
    if not low <= row["score"] <= high:
        caption += f" A score outside {low:.0%} to {high:.0%} measures little."
    if row.get("cut_off"):
        caption += " Cut off."
    table = Table(title=escape(f"{row['a']} against {row['b']}"), caption=escape(caption))
    cells = {
        "games": f"{row['games']}",
        "won, drawn, lost": f"{row['wins']}, {row['draws']}, {row['losses']}",
        "score": f"{row['score']:.1%} ± {1.96 * row['score_error']:.1%}",
        "by the rules": f"{row['score_by_rules']:.1%}",
        "adjudicated": f"{row['adjudicated']:.0%}",
        "Elo": _interval(row),
        "better": f"{row['los']:.1%}",
    }
    for header in cells:
        table.add_column(header, justify="right", no_wrap=True)
    table.add_row(*map(escape, cells.values()))
    return table


def standings_table(rows: Sequence[dict[str, Any]], model: dict[str, Any]) -> Table:
    """Players on one scale, best first."""
    caption = (
        f"Anchor: {model['anchor']} at {model['anchor_elo']:+.0f}, without error: only differences"
        f" are measured. Draws between equals {model['draw_share']:.0%}, White's advantage"
        f" {model['white_advantage']:+.0f} Elo."
    )
    if not all(row["in_range"] for row in rows):
        low, high = matches.FAIR
        caption += f" *: no score within {low:.0%} to {high:.0%}; the interval is too narrow."
    if model.get("cut_off"):
        caption += " Cut off: of the matches played by then."
    table = Table(title="One joint fit, 95% intervals", caption=escape(caption))
    table.add_column("player", no_wrap=True)
    for header in ("Elo", "score", "games"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        elo = f"{row['elo']:+.0f}" if row["anchor"] else _interval(row)
        cells = (
            row["player"] + ("" if row["in_range"] else " *"),
            elo,
            f"{row['score']:.1%}",
            f"{row['games']}",
        )
        table.add_row(*map(escape, cells))
    return table


def _interval(row: dict[str, Any]) -> str:
    return f"{row['elo']:+.0f} [{row['elo_lo']:+.0f}, {row['elo_hi']:+.0f}]"


def _test_line(test: dict[str, Any]) -> str:
    stand = f"{test['llr']:+.2f} in ({test['low']:+.2f}, {test['high']:+.2f})"
    says = {
        None: "not decided",
        "H0": f"{test['elo0']:g} Elo accepted",
        "H1": f"{test['elo1']:g} Elo accepted",
    }
    return (
        f"SPRT of {test['elo0']:g} against {test['elo1']:g} Elo: log-likelihood ratio {stand},"
        f" {says[test['accepted']]}."
    )
