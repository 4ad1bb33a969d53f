"""Saboteurs over unseen human games: harm by Stockfish, what W accepts, what detectors see.

    python experiments/saboteurs.py --pgn $SANDWICH_DATA/games/test.pgn.zst --out runs/saboteurs

prints the table, and writes it and the Pareto picture into the folder.
"""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax.engines.engine_pool import EngineConfig
from sandwich_jax.evaluation import saboteur_table
from sandwich_jax.evaluation.saboteur_table import TableConfig
from sandwich_jax.folders import store
from sandwich_jax.machine import display


@dataclasses.dataclass(frozen=True)
class Saboteurs:
    """Measures every M and prints a table."""

    pgn: tuple[pathlib.Path, ...]
    """Games that no network was trained on."""
    out: pathlib.Path = pathlib.Path("runs/saboteurs")
    config: tyro.conf.OmitArgPrefixes[TableConfig] = TableConfig()
    engine: EngineConfig = EngineConfig()


def main(args: Saboteurs) -> None:
    """Prints and writes the table and the picture."""
    with display.bar("Saboteurs") as bar:
        rows = saboteur_table.measure(args.pgn, args.out, args.config, args.engine, bar.update)
    text = saboteur_table.markdown(rows)
    store.write_text(args.out / "table.md", text)
    saboteur_table.picture(rows, args.out / "pareto.png")
    print(text)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Saboteurs, description=__doc__)))
