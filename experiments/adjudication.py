"""Does Stockfish agree with adjudication by material, and would it with smaller leads?

    python experiments/adjudication.py --players zoo:expert zoo:weak ckpt:runs/demo/networks/NAME

Plays all players against one another and themselves; then Stockfish looks at the positions at
which the arena's rule, or the same with a smaller lead, would end a sample of the games.
"""

import dataclasses
import itertools
import pathlib

import numpy as np
import tyro
from rich.table import Table

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax.engines.engine_pool import EngineConfig, Pool
from sandwich_jax.evaluation import adjudication
from sandwich_jax.folders import store
from sandwich_jax.machine import display
from sandwich_jax.play import Adjudication
from sandwich_jax.players import matches
from sandwich_jax.types import SettingError


@dataclasses.dataclass(frozen=True)
class Check:
    """Settings."""

    players: tuple[str, ...] = ("zoo:expert", "zoo:weak")
    """Everybody meets everybody and itself."""
    openings: int = 100
    games: int = 100
    """Looked at by Stockfish of each match, drawn without replacement."""
    nodes: int = 50_000
    max_plies: int = 200
    seed: int = 0
    out: pathlib.Path = pathlib.Path("runs/adjudication.json")


def played(args: Check) -> dict[str, list[adjudication.Call]]:
    """What the rules call in a sample of every match's games."""
    config = matches.MatchConfig(args.openings, seed=args.seed, max_plies=args.max_plies)
    rule, rng, found = Adjudication(), np.random.default_rng(args.seed), {}
    with matches.Hall(args.players, config) as hall, display.bar("Games") as bar:
        pairs = list(itertools.combinations_with_replacement(args.players, 2))
        for done, (a, b) in enumerate(pairs, 1):
            games = adjudication.calls(hall.match(a, b), hall.lines, args.max_plies, rule)
            drawn = rng.permutation(len(games))[: args.games]
            found[f"{a} against {b}"] = [call for i in drawn for call in games[i]]
            bar.update(done, len(pairs), f"{a} against {b}")
    return found


def main(args: Check) -> None:
    """Plays, asks, prints."""
    found, cap_margin = played(args), Adjudication().cap_margin
    called = [call for some in found.values() for call in some]
    if not called:
        raise SettingError("The rules ended every game: nothing was adjudicated.")
    with Pool(EngineConfig()) as pool:
        wins, engine = adjudication.scores_of_leaders(called, pool, args.nodes), pool.version()
    rows = adjudication.agreement(called, wins, cap_margin)
    ends = np.cumsum([len(some) for some in found.values()])[:-1]
    each = {
        name: [row._asdict() for row in adjudication.agreement(some, own, cap_margin)]
        for (name, some), own in zip(found.items(), np.split(wins, ends), strict=True)
    }
    table = Table(title=f"{args.games} games a match, {engine} at {args.nodes:,} nodes a position")
    for header in ("rule", "lead", "positions", "agree", "95%", "opposite", "leader's score"):
        table.add_column(header, justify="right")
    for row in rows:
        ends = f"{row.agree_lo:.1%} to {row.agree_hi:.1%}"
        cells = (f"{row.agree:.1%}", ends, f"{row.opposite:.1%}", f"{row.leader:.2f}")
        table.add_row(row.rule, row.lead, str(row.positions), *cells)
    console.OUT.print(table)
    settings = store.to_plain(dataclasses.asdict(args) | {"out": str(args.out), "engine": engine})
    told = {"settings": settings, "rows": [row._asdict() for row in rows], "by_match": each}
    store.write_json(args.out, told)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Check, description=__doc__)))
