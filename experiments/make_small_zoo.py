"""Makes the zoo of Connect Four from a training by `train-alphazero`, with cards.

    sandwich-jax train-alphazero --out runs/alphazero
    python experiments/make_small_zoo.py runs/alphazero --weak 12

E is the network at its end, W a snapshot. Cards tell what a perfect solver says of each (bitbully,
AGPL-3, which you install by yourself) and the scores of matches.
"""

import dataclasses
import pathlib
from typing import Annotated

import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax.evaluation import solver
from sandwich_jax.folders import store
from sandwich_jax.players import matches, spelled
from sandwich_jax.players.settings import MatchConfig
from sandwich_jax.report import doc_pages

GAME = "connect_four"
LIMITS = "It sees one position and searches nothing; openings are drawn positions after six plies."


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings."""

    trained: Annotated[pathlib.Path, tyro.conf.Positional]
    """Folder of `train-alphazero`."""
    weak: int = 12
    """The snapshot that is W."""
    out: pathlib.Path = pathlib.Path("sandwich_jax/training/zoo/connect_four")
    positions: int = 1000
    openings: int = 376


def main(config: Config) -> None:
    """Measures both networks and stores them with their cards."""
    places = {"expert": config.trained, "weak": config.trained / f"snapshots/{config.weak:06d}"}
    specs = {role: f"ckpt:{place}" for role, place in places.items()}
    strength = {}
    asked = MatchConfig(openings=config.openings, game=GAME)
    pairs = {
        "E against W": (specs["expert"], specs["weak"]),
        "E against random": (specs["expert"], "random"),
        "W against random": (specs["weak"], "random"),
    }
    for name, (a, b) in pairs.items():
        with matches.Hall((a, b), asked) as hall:
            row = matches.match_row(hall, a, b)
        strength[f"score of {name}"] = round(row["score"], 4)
        print(name, strength[f"score of {name}"], flush=True)
        if name == "E against W":
            strength["Elo of E over W"] = doc_pages.interval(row, "elo", "+.0f")
    sets = solver.sets(config.positions, 0)
    for role, place in places.items():
        model = spelled.load_network(specs[role], GAME)
        shown = solver.on_card(model, sets)
        print(role, shown, flush=True)
        card = store.read_card(place)
        about = card.about | {
            "role": role,
            "perfect play": shown,
            "strength": strength | {"games a match": 2 * config.openings},
            "limits": LIMITS,
        }
        card = dataclasses.replace(card, about=about)
        store.save_network(config.out / role, card, model.params)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Config, description=__doc__)))
