"""Does Stockfish agree with adjudication by material? Final positions of the zoo's own games.

    python experiments/adjudication.py --openings 100

Prints the share agreeing by material margin, and writes it to a file.
"""

import dataclasses
import itertools
import pathlib

import numpy as np
import tyro
from rich.table import Table

from sandwich_jax import cli
from sandwich_jax.outside import adjudication, display, matches, store
from sandwich_jax.outside.engines import EngineConfig, Pool
from sandwich_jax.types import SettingError


@dataclasses.dataclass(frozen=True)
class Check:
    """Settings."""

    players: tuple[str, ...] = ("zoo:expert", "zoo:weak")
    """Everybody meets everybody and itself."""
    openings: int = 100
    positions: int = 500
    """Final positions asked about, drawn without replacement."""
    nodes: int = 50_000
    seed: int = 0
    out: pathlib.Path = pathlib.Path("runs/adjudication.json")


def main(args: Check) -> None:
    """Plays, asks, prints."""
    config = matches.MatchConfig(args.openings, seed=args.seed)
    finals = []
    with matches.Hall(args.players, config) as hall, display.bar("Games") as bar:
        pairs = list(itertools.combinations_with_replacement(args.players, 2))
        for done, (a, b) in enumerate(pairs, 1):
            finals += adjudication.finals(hall.play(a, b), hall.lines)
            bar.update(done, len(pairs), f"{a} against {b}")
    if not finals:
        raise SettingError("The rules ended every game: nothing was adjudicated.")
    order = np.random.default_rng(args.seed).permutation(len(finals))[: args.positions]
    with Pool(EngineConfig()) as pool:
        rows = adjudication.agreement([finals[i] for i in order], pool, args.nodes)
        engine = pool.name
    table = Table(title=f"{len(order)} final positions, {engine} at {args.nodes:,} nodes")
    for header in ("margin", "positions", "called won", "agree", "opposite", "leader's score"):
        table.add_column(header, justify="right")
    for row in rows:
        shares = (f"{share:.1%}" for share in row[2:])
        table.add_row(str(row.margin), str(row.positions), *shares)
    cli.OUT.print(table)
    settings = store.to_plain(dataclasses.asdict(args) | {"out": str(args.out)})
    store.write_json(args.out, {"settings": settings, "rows": [row._asdict() for row in rows]})


if __name__ == "__main__":
    cli.guarded(lambda: main(tyro.cli(Check, description=__doc__)))
