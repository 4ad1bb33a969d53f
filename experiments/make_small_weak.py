"""A W of Connect Four from few of E's games, with a card: d games where E learnt from far more.

    python experiments/make_small_weak.py

E plays itself at a temperature of 1 from the training openings; a fresh network of E's size learns
E's moves and the results. The card tells what a perfect solver says of it (bitbully, AGPL-3, which
you install by yourself) and how a match with E ends.
"""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array, Float

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax import games, sampling
from sandwich_jax.evaluation import solver
from sandwich_jax.finetune import finetune, make_trainer
from sandwich_jax.folders import store
from sandwich_jax.games import Game
from sandwich_jax.models import Model
from sandwich_jax.players import matches, spelled
from sandwich_jax.players.settings import MatchConfig
from sandwich_jax.report import doc_pages
from sandwich_jax.types import State, Window

GAME = "connect_four"
PLIES = solver.COLUMNS * solver.ROWS
"""No game is longer."""
LIMITS = "It sees one position and searches nothing; it has seen games of E alone."


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings; the defaults made zoo:few_games."""

    games: int = 256
    """Of E with itself."""
    updates: int = 600
    batch: int = 64
    learning_rate: float = 2.5e-3
    seed: int = 0
    out: pathlib.Path = pathlib.Path("sandwich_jax/training/zoo/connect_four/few_games")
    positions: int = 1000
    openings: int = 376


def played(config: Config, game: Game, expert: Model) -> Window:
    """Every position of E's games, with its move and its mover's result."""
    lines = game.openings("train")
    rng = np.random.default_rng(config.seed)
    chosen = lines[rng.choice(len(lines), config.games, replace=config.games > len(lines))]

    @jax.jit
    def whole(expert: Model, state: State, uniform: Float[Array, "T B"]) -> tuple[Array, ...]:
        def ply(state: State, uniform: Float[Array, "B"]) -> tuple[State, tuple[Array, ...]]:
            open_ = ~game.done(state)
            move = sampling.sample(uniform, expert.at(game, state).logits, game.legal(state), 1.0)
            seen = game.encode(state), move, open_, game.first_to_move(state)
            return game.where(open_, game.step(state, move), state), seen

        end, (positions, moves, open_, first) = jax.lax.scan(ply, state, uniform)
        result = jnp.where(first, game.result(end), -game.result(end))
        return positions, moves, open_, result

    uniform = jnp.asarray(rng.random((PLIES, config.games)), jnp.float32)
    found = whole(expert, game.after(jnp.asarray(chosen)), uniform)
    positions, moves, open_, result = (x.reshape(-1, *x.shape[2:]) for x in found)
    weight = open_.astype(jnp.float32)
    return Window(positions, moves.astype(jnp.int16), weight, result, weight)


def taught(config: Config, game: Game, window: Window) -> Model:
    """A fresh network after learning them."""
    fresh = spelled.load_network(f"fresh:{config.seed}", GAME, "mini")
    trainer = make_trainer(game, fresh.net)
    state, _ = jax.jit(finetune, static_argnums=(1, 5, 6))(
        jax.random.key(config.seed),
        trainer,
        trainer.init(fresh.params),
        window,
        jnp.float32(config.learning_rate),
        config.updates,
        config.batch,
    )
    return fresh.with_params(state.params)


def main(config: Config) -> None:
    """Plays, learns, measures, stores."""
    game = games.make(GAME)
    window = played(config, game, spelled.load_network("zoo:expert", GAME))
    weak = taught(config, game, window)
    about = {
        "role": "few_games",
        "games": config.games,
        "positions": int((window.policy_weight > 0).sum()),
        "updates": config.updates,
        "batch": config.batch,
        "learning_rate": config.learning_rate,
        "seed": config.seed,
        "parameters": weak.net.num_params,
        "limits": LIMITS,
    }
    about |= store.made()
    store.save_network(config.out, store.NetworkCard(GAME, weak.net.config, about), weak.params)
    spec = f"ckpt:{config.out}"
    pairs = {"E": "zoo:expert", "zoo:weak": "zoo:weak", "random": "random"}
    strength = {}
    for name, other in pairs.items():
        asked = MatchConfig(openings=config.openings, game=GAME)
        with matches.Hall((spec, other), asked) as hall:
            row = matches.match_row(hall, spec, other)
        strength[f"Elo over {name}"] = doc_pages.interval(row, "elo", "+.0f")
        strength[f"score against {name}"] = round(row["score"], 4)
    about |= {"perfect play": solver.on_card(weak, solver.sets(config.positions, 0))}
    about |= {"strength": strength | {"games a match": 2 * config.openings}}
    print(store.to_plain(about))
    store.save_network(config.out, store.NetworkCard(GAME, weak.net.config, about), weak.params)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Config, description=__doc__)))
