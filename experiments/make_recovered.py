"""Puts W' of a run into the zoo, with a card that says how far it came.

    sandwich-jax run --game connect_four --p 0 --no-control --rounds 4 --games 12288 \
        --updates 6000 --window 4 --protocol only_listen --objective distil_policy \
        --out runs/recovered
    python experiments/make_recovered.py runs/recovered --member "only_listen E" --name recovered

Of Connect Four the card also tells what a perfect solver says of W' (bitbully, AGPL-3, which you
install by yourself). Anybody can then repeat the match:

    sandwich-jax match zoo:recovered zoo:expert --game connect_four --openings 376
"""

import dataclasses
import pathlib
from typing import Annotated

import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax.evaluation import solver
from sandwich_jax.folders import log, places, store
from sandwich_jax.players import matches, spelled
from sandwich_jax.players.settings import MatchConfig
from sandwich_jax.report import doc_pages

TOLD = ("protocol", "objective", "misalignment", "rounds", "games", "updates", "batch", "window",
        "learning_rate", "temperature", "expert", "weak", "seed")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings."""

    run: Annotated[pathlib.Path, tyro.conf.Positional]
    """Its folder."""
    member: str
    """Whose W' it is, as in rows."""
    name: str
    """In the zoo."""
    out: pathlib.Path = pathlib.Path("sandwich_jax/training/zoo/connect_four")
    positions: int = 1000
    openings: int = 376


def main(config: Config) -> None:
    """Measures W' and stores it."""
    manifest = store.read_json(config.run / "manifest.json")
    settings = manifest["config"]
    game = settings["game"]
    place = config.run / "networks" / places.slug(config.member)
    card = store.read_card(place)
    row = card.about["row"]
    spec, strength = f"ckpt:{place}", {}
    asked = MatchConfig(openings=config.openings, game=game)
    for role in ("expert", "weak"):
        with matches.Hall((spec, settings[role]), asked) as hall:
            found = matches.match_row(hall, spec, settings[role])
        against = {"expert": "E", "weak": "W"}[role]
        strength[f"score against {against}"] = round(found["score"], 4)
        strength[f"Elo over {against}"] = doc_pages.interval(found, "elo", "+.0f")
    about = {
        "role": config.name,
        "p": row["p"],
        **{name: settings[name] for name in TOLD},
        "advised moves": sum(
            one["queries"]
            for one in log.read_rows(config.run / "rows.jsonl")
            if one["member"] == config.member
        ),
        "Elo gain": doc_pages.interval(row, "elo_gain", "+.0f"),
        "PGR": doc_pages.interval(row, "pgr", ".2f"),
        "strength": strength | {"games a match": 2 * config.openings},
        **{name: manifest[name] for name in ("versions", "device", "commit") if name in manifest},
    }
    model = spelled.load_network(spec, game)
    if game == "connect_four":
        about["perfect play"] = solver.on_card(model, solver.sets(config.positions, 0))
    print(about)
    store.save_network(
        config.out / config.name, dataclasses.replace(card, about=about), model.params
    )


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Config, description=__doc__)))
