"""Makes the zoo's two chess networks from PGN files, measures them and writes their cards.

    python experiments/make_zoo.py --train TRAIN.pgn.zst --test TEST.pgn.zst --out ZOO

Any PGN with enough games will do, for example a month of the Lichess database; the shipped pair
came from games of players rated mostly 2000-2800. Interrupted, it goes on where it was. Where they
stand beside Stockfish, their cards are told by

    python experiments/ladder.py --expert ckpt:ZOO/expert --weak ckpt:ZOO/weak --write-cards
"""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax import arena, games
from sandwich_jax.folders import store
from sandwich_jax.machine import display
from sandwich_jax.measures import elo
from sandwich_jax.members import Config, knobs_of
from sandwich_jax.models import Model
from sandwich_jax.players import spelled
from sandwich_jax.running import network_folder
from sandwich_jax.training import corpus, move_match
from sandwich_jax.training.pretrain import PretrainConfig

OPENINGS = 256

LIMITS = (
    "Learnt from games that end by resignation: it cannot mate, so judge it by adjudicated games."
    " It sees one position and searches nothing."
)


@dataclasses.dataclass(frozen=True)
class Zoo:
    """Settings; the defaults made the shipped networks."""

    train: pathlib.Path
    test: pathlib.Path
    out: pathlib.Path
    source: str = "human games, both players rated (mostly 2000-2800), from public collections"
    """What the card says of the data."""
    train_games: int | None = None
    """Games of the training corpus; all by default."""
    test_games: int = 1200
    expert: PretrainConfig = PretrainConfig("expert", 250_000, 24_000, learning_rate=5e-3)
    weak: PretrainConfig = PretrainConfig("weak", 2_000, 260, learning_rate=5e-3)


def corpora(config: Zoo) -> tuple[pathlib.Path, pathlib.Path]:
    """Builds the corpora unless they are there."""
    train, test = config.out / "train.npz", config.out / "test.npz"
    if not train.exists():
        corpus.build([config.train], train, max_games=config.train_games)
    if not test.exists():
        corpus.build([config.test], test, test_share=1.0)
    return train, test


def strengths(expert: Model, weak: Model) -> dict[str, str | float]:
    """E, W and a random mover against one another in the arena."""
    game = games.make("chess")
    policy = arena.network_policy(game)
    others = {"W": policy, "random": arena.random_policy(game)}
    play = {
        name: jax.jit(arena.make_match(game, policy, other, arena.ArenaConfig()))
        for name, other in others.items()
    }
    starts = jax.jit(game.after)(jnp.asarray(game.openings("arena")[:OPENINGS]))
    honest = knobs_of(Config(), None, 0.1)
    sides = {
        "E": (expert, honest),
        "W": (weak, honest),
        "random": (),
    }
    pairs = (("E", "W"), ("E", "random"), ("W", "random"))
    points = {
        (a, b): np.asarray(
            play[b](jax.random.key(1), sides[a], sides[b], starts, jnp.int32(OPENINGS)).points
        )
        for a, b in pairs
    }
    fitted = elo.fit(points, "W")
    found: dict[str, str | float] = {
        f"score of {a} against {b}": round(float(points[a, b].mean()), 4) for a, b in pairs
    }
    alone = elo.fit({("E", "W"): points["E", "W"]}, "W").difference("E", "W")
    found["Elo of E over W, their match alone"] = str(alone)
    found["Elo of E over W, joint fit"] = str(fitted.difference("E", "W"))
    return found | {"games a match": 2 * OPENINGS, "openings": "arena split, adjudicated"}


def main(config: Zoo) -> None:
    """Trains, measures, writes cards."""
    train_path, test_path = corpora(config)
    loaded = {}
    for role, settings in (("expert", config.expert), ("weak", config.weak)):
        folder = config.out / role
        if not (folder / "network.json").exists():
            with display.bar(role) as bar:
                network_folder.pretrain_in(folder, settings, train_path, bar.update)
        loaded[role] = spelled.load_network(f"ckpt:{folder}")
    train, test = corpus.load(train_path), corpus.load(test_path)
    expert_rows = np.flatnonzero(~train.test)[: config.expert.games]
    seen = move_match.seen_in(train, expert_rows)
    facts = strengths(loaded["expert"], loaded["weak"])
    for role, network in loaded.items():
        rows = np.arange(config.test_games)
        found = move_match.human_match(network, test, rows, seen)
        card = store.read_card(config.out / role)
        about = card.about | {
            "human moves matched, legal moves only": found._asdict(),
            "positions of that figure": "test games, none in any of E's training games",
            "strength": facts,
            "source": config.source,
            "limits": LIMITS,
        }
        written = dataclasses.replace(card, about=about)
        store.write_json(config.out / role / "network.json", dataclasses.asdict(written))
        print(role, found)
    print(facts)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Zoo, description=__doc__)))
