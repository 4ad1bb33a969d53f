"""The demos: chess in ten minutes on two cores, and Connect Four for the impatient."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

from rich.markup import escape
from rich.table import Table

from sandwich_jax import outputs
from sandwich_jax.evaluation import solver
from sandwich_jax.folders.log import WandbMode
from sandwich_jax.machine import console, display, interrupts, preempt
from sandwich_jax.members import Config
from sandwich_jax.players import spelled
from sandwich_jax.report import build
from sandwich_jax.report.settings import ReportConfig
from sandwich_jax.running import result_tables, sweep_folder, terminal
from sandwich_jax.types import SettingError

GAMES = ("chess", "connect_four")
CHESS = {"misalignment": "random_move", "p": (0.0, 0.5, 0.9), "control": True}
CONNECT_FOUR = {
    "game": "connect_four",
    "misalignment": "random_move",
    "p": [0.0, 0.25, 0.5, 0.75],
    "protocol": ["always_follow", "majority"],
    "control": True,
}
"""A grid: settings of a sweep."""
SOLVED = 500
"""Positions in which the solver looks at the networks."""


def show(game: str, out: pathlib.Path, wandb: WandbMode, seed: int) -> None:
    """Runs the demo of a game in `out`, or goes on with it, and shows what came out.

    Raises:
        SettingError: there is no demo of this game.
    """
    if game not in GAMES:
        raise SettingError(f"There is no demo of '{game}': choose one of {', '.join(GAMES)}.")
    if game == "chess":
        terminal.show(Config(**CHESS, seed=seed), out, wandb, "Demo")
        return

    def work() -> Any:
        with preempt.watch() as watch, interrupts.watch() as keys, display.bar("Demo") as bar:
            told = interrupts.stopping(bar.update, keys)
            settings = CONNECT_FOUR | {"seed": seed}
            return sweep_folder.run(settings, out, wandb=wandb, progress=told, pause=watch.pause)[0]

    def shown(found: Any) -> None:
        for table in result_tables.sweep_tables(found.rows, found.critical):
            console.OUT.print(table)
        if solver.installed():
            console.OUT.print(perfect_play(out))
        made = build.report([out], out / "report.html", ReportConfig())
        console.OUT.print(f"Pictures, and all games to look at: {made.page}", highlight=False)

    outputs.show(work, shown)


def perfect_play(out: pathlib.Path) -> Table:
    """How often each network of a sweep keeps the result that perfect play has."""
    table = Table(
        title="Beside perfect play",
        caption="Moves that keep the result, in positions of random movers where it matters what is"
        " played, and of near-perfect play; by bitbully, with 95% intervals.",
    )
    table.add_column("network")
    sets = solver.sets(SOLVED, 0)
    for name in sets:
        table.add_column(name, justify="right")
    for name, model in _networks(out):
        rows = (solver.figures(model, positions) for positions in sets.values())
        cells = (f"{row['kept']:.2f} [{row['kept_lo']:.2f}, {row['kept_hi']:.2f}]" for row in rows)
        table.add_row(escape(name), *cells)
    return table


def _networks(out: pathlib.Path) -> Iterator[tuple[str, Any]]:
    """W and E, and W' of every member."""
    for name, spec in (("W before training", "zoo:weak"), ("E", "zoo:expert")):
        yield name, spelled.load_network(spec, "connect_four")
    for folder in sorted((out / "members").iterdir()):
        for card in sorted((folder / "networks").glob("*/network.json")):
            model = spelled.load_network(f"ckpt:{card.parent}", "connect_four")
            yield f"W' of {card.parent.name}", model
