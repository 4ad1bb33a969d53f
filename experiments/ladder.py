"""The zoo, a random mover and Stockfish, whole and weakened, on one scale, rung by rung.

    python experiments/ladder.py --openings 128 --write-cards

The scale is Stockfish's: the anchor is its weakest UCI_Elo. Rungs below are Stockfish's moves with
probability q, else random ones. Neighbours should score between 10% and 90%; the table marks those
that do not. With --write-cards the cards of E and W get what was found, whether they are the
shipped ones or of `make_zoo.py` (--expert ckpt:ZOO/expert --weak ckpt:ZOO/weak).
"""

import dataclasses
import pathlib
from typing import Any

import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax.engines import engine_pool
from sandwich_jax.folders import store
from sandwich_jax.players import contest, matches, spelled
from sandwich_jax.types import SettingError

WEAK, EXPERT = "W", "E"
ANCHOR = "stockfish:elo=1350,nodes=1000"
RUNGS = (
    "random",
    *(f"stockfish:nodes=1000,q={q}" for q in (0.2, 0.4, 0.5)),
    WEAK,
    *(f"stockfish:nodes=1000,q={q}" for q in (0.7, 0.8)),
    EXPERT,
    "stockfish:nodes=1000,q=0.85",
    ANCHOR,
    "stockfish:elo=1700,nodes=1000",
    *(f"stockfish:nodes={nodes}" for nodes in (100, 300, 1000)),
)


@dataclasses.dataclass(frozen=True)
class Ladder:
    """Settings."""

    expert: str = "zoo:expert"
    weak: str = "zoo:weak"
    rungs: tuple[str, ...] = RUNGS
    """From weak to strong, E and W by these letters; neighbours meet, and those two apart."""
    anchor: str = ANCHOR
    anchor_elo: float = 1350.0
    openings: int = 128
    max_plies: int = 200
    seed: int = 0
    out: pathlib.Path = pathlib.Path("runs/ladder.json")
    write_cards: bool = False
    """Into the folders of E and W."""


def on_card(found: contest.Standings, names: dict[str, str], about: dict[str, Any]) -> dict:
    """What a card says of the ladder, E and W by these letters."""
    letter = {spec: name for name, spec in names.items()}
    rows = [{**row, "player": letter.get(row["player"], row["player"])} for row in found.players]
    elo = {
        row["player"]: {"elo": round(row["elo"])}
        | {end: round(row[end]) for end in ("elo_lo", "elo_hi") if not row["anchor"]}
        for row in rows
    }
    scores = {
        f"{letter.get(row['a'], row['a'])} against {letter.get(row['b'], row['b'])}": round(
            row["score"], 4
        )
        for row in found.matches
    }
    return about | {"Elo": elo, "scores": scores}


def main(args: Ladder) -> None:
    """Plays, fits, writes."""
    names = {EXPERT: args.expert, WEAK: args.weak}
    folders = {name: spelled.folder_of(spec) for name, spec in names.items()}
    if args.write_cards and None in folders.values():
        raise SettingError("write-cards: a fresh network has no card.")
    config = matches.MatchConfig(args.openings, seed=args.seed, max_plies=args.max_plies)
    scale = contest.Scale("near", args.anchor, args.anchor_elo)
    rungs = [names.get(rung, rung) for rung in args.rungs]
    found = contest.elo(rungs, config, engine_pool.EngineConfig(), scale, None, console.OUT)
    with engine_pool.Pool(engine_pool.EngineConfig(processes=1)) as pool:
        engine = pool.version()
    about = {"scale": f"{args.anchor} of {engine} at {args.anchor_elo:g} Elo"}
    about |= {"games a match": 2 * args.openings, "seed": args.seed}
    told = on_card(found, names, about)
    settings = store.to_plain(dataclasses.asdict(args) | {"out": str(args.out)})
    store.write_json(args.out, {"settings": settings, "card": told} | found._asdict())
    for folder in filter(None, folders.values() if args.write_cards else ()):
        card = store.read_card(folder)
        written = dataclasses.replace(card, about=card.about | {"ladder": told})
        store.write_json(folder / "network.json", dataclasses.asdict(written))


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Ladder, description=__doc__)))
