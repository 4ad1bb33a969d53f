"""Does a value see what a move costs? One ply ahead, beside Stockfish.

    python experiments/chess_values.py zoo:expert search:zoo:expert,simulations=32 ckpt:nets/chess

Positions are of games of zoo:expert with itself, one of each game, some of its legal moves drawn
from all alike. A move is worth -v(s') to a player; to Stockfish, the mover's win probability after
it. The correlation is that of what moves are worth within positions: whose turn is better is no
question here.
"""

import dataclasses
import json
from typing import Annotated

import chess
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax import board, games, lookahead, sampling
from sandwich_jax.engines import analyses
from sandwich_jax.engines.engine_pool import EngineConfig, Pool
from sandwich_jax.machine import display
from sandwich_jax.models import Model
from sandwich_jax.players import spelled
from sandwich_jax.training.corpus import move_of
from sandwich_jax.types import State

RESAMPLES = 2000
"""Bootstrap resamples of positions."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings."""

    players: Annotated[tuple[str, ...], tyro.conf.Positional]
    """zoo:NAME, ckpt:PATH, search:SPEC,simulations=N, lc0:PATH."""
    positions: int = 400
    moves: int = 8
    """Of each position; positions with fewer legal moves are left out."""
    most_plies: int = 80
    """After the opening."""
    nodes: int = 10_000
    """Of Stockfish, a position."""
    seed: int = 0


def drawn(config: Config, game: games.Game) -> tuple[State, Int[np.ndarray, "N M"]]:
    """Positions of the expert's games at a temperature of 1, and moves in each."""
    expert = spelled.load_network("zoo:expert", "chess")
    rng = np.random.default_rng(config.seed)
    count = 2 * config.positions  # games that end before their ply, or have few moves, are left out
    openings = game.openings("arena")
    lines = openings[rng.choice(len(openings), count, replace=count > len(openings))]
    state = game.after(jnp.asarray(lines))
    due = rng.integers(0, config.most_plies, count)

    @jax.jit
    def ply(state: State, uniform: Array, going: Bool[Array, "B"]) -> State:
        logits = expert.at(game, state).logits
        move = sampling.sample(uniform, logits, game.legal(state), 1.0)
        return game.where(going & ~game.done(state), game.step(state, move), state)

    for number in range(config.most_plies):
        state = ply(state, jnp.asarray(rng.random(count), jnp.float32), jnp.asarray(number < due))
    legal = np.asarray(game.legal(state))
    rich = np.flatnonzero(~np.asarray(game.done(state)) & (legal.sum(1) >= config.moves))
    rich = rich[: config.positions]
    labels = [rng.choice(np.flatnonzero(legal[lane]), config.moves, replace=False) for lane in rich]
    return game.take(state, jnp.asarray(rich)), np.asarray(labels)


def by_engine(
    config: Config, state: State, labels: Int[np.ndarray, "N M"]
) -> tuple[Float[np.ndarray, "N M"], str]:
    """The mover's win probability after every move, and the engine's name."""
    boards = []
    for lane, fen in enumerate(board.to_fen(state)):
        for label in labels[lane]:
            boards.append(chess.Board(fen))
            boards[-1].push(move_of(int(label), boards[-1]))
    with (
        Pool(EngineConfig()) as pool,
        analyses.Analyses(pool, config.nodes, analyses.default_path()) as judge,
        display.bar("Stockfish") as bar,
    ):
        found = judge.of(boards, lambda done, total: bar.update(done, total, "positions"))
        wins = np.asarray([1 - verdict.win for verdict in found])
        return wins.reshape(labels.shape), judge.engine


def by_player(
    model: Model, game: games.Game, state: State, labels: Int[np.ndarray, "N M"]
) -> Float[np.ndarray, "N M"]:
    """-v(s') of every move."""

    @jax.jit
    def values(model: Model, state: State, labels: Array) -> Array:
        value = lambda after: model.at(game, after).value  # noqa: E731
        return lookahead.values_after(game, value, state, labels)

    return np.asarray(values(model, state, jnp.asarray(labels)))


def within(
    values: Float[np.ndarray, "N M"], wins: Float[np.ndarray, "N M"], seed: int
) -> dict[str, float]:
    """Pearson's correlation of deviations from each position's mean; 95% over positions."""
    a, b = (x - x.mean(1, keepdims=True) for x in (values, wins))
    sums = np.stack([(a * b).sum(1), (a * a).sum(1), (b * b).sum(1)])

    def pearson(sums: Float[np.ndarray, "3 ..."]) -> Float[np.ndarray, "..."]:
        return sums[0] / np.sqrt(sums[1] * sums[2])

    picks = np.random.default_rng(seed).integers(0, len(a), (RESAMPLES, len(a)))
    low, high = np.quantile(pearson(sums[:, picks].sum(-1)), (0.025, 0.975))
    return {"correlation": float(pearson(sums.sum(1))), "low": float(low), "high": float(high)}


def main(config: Config) -> None:
    """Prints a JSON line for every player."""
    game = games.make("chess")
    state, labels = drawn(config, game)
    wins, engine = by_engine(config, state, labels)
    for spec in config.players:
        values = by_player(spelled.load_network(spec, "chess"), game, state, labels)
        row = {"player": spec, **within(values, wins, config.seed)}
        row = {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
        about = {"positions": len(labels), "moves": config.moves, "engine": engine}
        print(json.dumps(row | about | {"nodes": config.nodes, "seed": config.seed}), flush=True)


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Config, description=__doc__)))
