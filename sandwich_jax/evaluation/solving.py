"""The verb `puzzles`: players by their spelling solve a file of them."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import chess
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandwich_jax import arena, board, games, sampling
from sandwich_jax.evaluation import puzzle_file
from sandwich_jax.folders import store
from sandwich_jax.machine import display, interrupts
from sandwich_jax.measures import puzzles
from sandwich_jax.measures.shares import Share
from sandwich_jax.models import Model
from sandwich_jax.players import contest, engine_players, spelled
from sandwich_jax.types import SettingError, State

ENGINE_BATCH = 256
"""Puzzles that an engine is asked about between two looks at whether to go on."""


def show(
    specs: Sequence[str],
    file: pathlib.Path,
    count: int | None,
    seed: int,
    out: pathlib.Path | None,
    console: Console,
) -> list[dict[str, Any]]:
    """Lets players solve puzzles, shows and returns a row a player and band of ratings.

    Raises:
        KeyboardInterrupt: with a sentence about what is kept; what was solved by then is shown.
        SettingError: a player is missing or named twice, a file cannot be used, or an engine failed
            too often; what was solved by then is shown.
    """
    if not specs or len(set(specs)) < len(specs):
        raise SettingError("Puzzles need at least one player, and each one once.")
    rows: list[dict[str, Any]] = []
    part: list[dict[str, Any]] = []
    with contest.results(out, specs, files=[file]) as lines:
        try:
            with display.bar("Puzzles") as bar, interrupts.watch() as watch:
                bar.say(f"reading {file}")
                given = puzzle_file.read(file, count, seed)
                whole = len(given.names)
                for place, spec in enumerate(specs):
                    for solved in solving(spec, given):
                        part = rows_of(spec, solved, given)
                        bar.update(place * whole + len(solved), len(specs) * whole, spec)
                        watch.pause()
                    found, part = part, []
                    rows += found
                    lines.add(store.to_plain(found))
        except (SettingError, KeyboardInterrupt) as stop:
            part = [row | {"cut_off": True} for row in part]
            for shown in filter(None, (rows, part)):
                console.print(table(shown))
            lines.add(store.to_plain(part))
            if isinstance(stop, SettingError):
                raise
            interrupts.leave(bool(rows or part), out)
        console.print(table(rows))
    return rows


def solve(spec: str, given: puzzles.Puzzles) -> Bool[np.ndarray, "N"]:
    """Which of `given` the player of this spelling solves; networks play their first choice.

    Raises:
        SettingError: there is no such player, or its engine failed too often.
    """
    *_, solved = solving(spec, given)
    return solved


def solving(spec: str, given: puzzles.Puzzles) -> Iterator[Bool[np.ndarray, "n"]]:
    """The same of the first n, as n grows.

    Raises:
        SettingError: as `solve`.
    """
    if engine_players.is_engine(spec):
        engine = engine_players.EnginePlayer(spec)
        try:
            yield from puzzles.solving(functools.partial(_ask, engine), given, ENGINE_BATCH)
        finally:
            engine.close()
    elif spec == "random":
        keys = iter(jax.random.split(jax.random.key(0), 1 << 16))
        policy = jax.jit(arena.random_policy(games.make("chess")))
        yield from puzzles.solving(lambda state, asked: policy(next(keys), state, ()), given)
    else:
        yield from puzzles.solving(chooser(spelled.load_network(spec)), given)


def chooser(model: Model) -> puzzles.Choose:
    """A network's first choice among legal moves of chess."""
    return lambda state, asked: _first_choice(model, state)


@jax.jit
def _first_choice(model: Model, state: State) -> Int[Array, "B"]:
    game = games.make("chess")
    return sampling.greedy(model.at(game, state).logits, game.legal(state))


def _ask(
    engine: engine_players.EnginePlayer, state: State, asked: Bool[np.ndarray, "B"]
) -> Int[Array, "B"]:
    """An engine's moves; a position is all that it is told."""
    rows = np.flatnonzero(asked)
    positions = board.take(jax.tree.map(np.asarray, state), rows)
    moves = engine.best_moves([chess.Board(fen) for fen in board.to_fen(positions)])
    labels = np.zeros(len(asked), np.int32)
    labels[rows] = board.from_uci(positions, [move.uci() for move in moves])
    return jnp.asarray(labels)


def rows_of(spec: str, solved: np.ndarray, given: puzzles.Puzzles) -> list[dict[str, Any]]:
    """One row a band of ratings, "all" first: JSON values."""
    return [
        {"player": spec, "band": band, **figures("solved", share)}
        for band, share in puzzles.by_band(solved, given.ratings[: len(solved)])
    ]


def figures(name: str, share: Share) -> dict[str, Any]:
    """A share as columns of a row."""
    ends = {f"{name}_lo": share.low, f"{name}_hi": share.high}
    return {name: share.value, **ends, "count": share.count}


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """Bands below one another, players side by side."""
    players = list(dict.fromkeys(row["player"] for row in rows))
    cut_off = " Cut off." if any(row.get("cut_off") for row in rows) else ""
    caption = f"95% intervals. A move that mates is right.{cut_off}"
    shown = Table(title="Puzzles solved", caption=caption)
    for header in ("rating", "puzzles", *players):
        shown.add_column(escape(header), justify="right", no_wrap=True)
    for band in dict.fromkeys(row["band"] for row in rows):
        found = {row["player"]: row for row in rows if row["band"] == band}
        count = str(next(iter(found.values()))["count"])
        cells = (
            f"{r['solved']:.1%} \\[{r['solved_lo']:.1%}, {r['solved_hi']:.1%}]"
            for r in (found[player] for player in players)
        )
        shown.add_row(band, count, *cells)
    return shown
