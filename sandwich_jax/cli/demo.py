"""`sandwich-jax demo`."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sandwich_jax import given, outputs
from sandwich_jax.config import Config
from sandwich_jax.errors import SettingError
from sandwich_jax.machine import console, display, interrupts, preempt
from sandwich_jax.report.settings import ReportConfig
from sandwich_jax.words import WandbMode

if TYPE_CHECKING:
    from sandwich_jax.models import Model

CHESS = {
    "misalignment": "random_move",
    "p": (0.0, 0.5, 0.9),
    "protocol": "only_listen",
    "listens": 5,
    "pool": "medoid",
    "objective": "distil_policy",
    "control": True,
}
"""Settings of a run."""
GRIDS = {
    "connect_four": {
        "game": "connect_four",
        "misalignment": "random_move",
        "p": [0.0, 0.25, 0.5, 0.75],
        "protocol": ["always_follow", "majority"],
        "control": True,
        "rounds": 5,
    }
}
"""Settings of a sweep, by game."""


@dataclasses.dataclass(frozen=True)
class Demo:
    """The main experiment on a laptop: can W learn from an A that errs, and where does it end?

    A says what E says, but with probability p something random. In chess W asks five times in every
    position of its own games, plays its own move all the same, and learns the answer that agrees
    best with the others; in Connect Four it plays what A says, or what most of five answers say.
    Run it again to go on after an interruption.
    """

    game: str = "chess"
    """chess, about ten minutes on two quiet cores, or connect_four, about four."""
    out: pathlib.Path | None = None
    """The folder; runs/demo by default, runs/demo_GAME for another game than chess."""
    wandb: WandbMode = "offline"
    """Weights & Biases; offline needs no account."""
    seed: int = 0
    """Of chess; the other demo is a sweep, which has seeds of its own."""

    def __post_init__(self) -> None:
        """Raises SettingError for a game without a demo, or one that has no seed."""
        if self.game not in ("chess", *GRIDS):
            raise SettingError(given.unknown("demo", self.game, ("chess", *GRIDS)))
        if self.seed and self.game != "chess":
            raise SettingError(f"seed is of chess alone, but game is {self.game}.")


def demo(args: Demo) -> None:
    """`sandwich-jax demo`."""
    default = "demo" if args.game == "chess" else f"demo_{args.game}"
    out = args.out or pathlib.Path("runs") / default
    if args.game == "chess":
        from sandwich_jax.running import terminal

        terminal.show(Config(**CHESS, seed=args.seed), out, args.wandb, "Demo")
    else:
        _sweep(GRIDS[args.game], out, args.wandb)


def _sweep(settings: dict[str, Any], out: pathlib.Path, wandb: WandbMode) -> None:
    """Plays a grid, then shows tables, what a solver says, and where the report lies."""
    from sandwich_jax.evaluation import evaluate_solver, solver
    from sandwich_jax.report import build
    from sandwich_jax.running import result_tables, sweep_folder

    def work() -> Any:
        with preempt.watch() as watch, interrupts.watch() as keys, display.bar("Demo") as bar:
            told = interrupts.stopping(bar.update, keys)
            return sweep_folder.run(settings, out, wandb=wandb, progress=told, pause=watch.pause)[0]

    def shown(found: Any) -> None:
        for table in result_tables.sweep_tables(found.rows, found.critical):
            console.OUT.print(table)
        if solver.installed():
            console.OUT.print(evaluate_solver.perfect_play(_networks(out, settings["game"])))
        made = build.report([out], out / "report.html", ReportConfig())
        console.OUT.print(f"Pictures, and all games to look at: {made.page}", highlight=False)

    outputs.show(work, shown)


def _networks(out: pathlib.Path, game: str) -> Iterator[tuple[str, Model]]:
    """W before training, E, and W' of every member."""
    from sandwich_jax.players import spelled

    for name, spec in (("W before training", "zoo:weak"), ("E", "zoo:expert")):
        yield name, spelled.load_network(spec, game)
    for card in sorted(out.glob("members/*/networks/*/network.json")):
        yield f"W' of {card.parent.name}", spelled.load_network(f"ckpt:{card.parent}", game)
