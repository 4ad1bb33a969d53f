"""Makes sandwich_jax/small_openings.npz: level opening lines of the games other than chess.

    python experiments/make_small_openings.py

Lines are drawn at random. A line is kept if its last position is level and neither that nor any
mirror image or turn of it was met before (tic-tac-toe has too few positions for the latter).
Connect Four's are level if a perfect solver calls them drawn (bitbully, AGPL-3, which you install
by yourself: pip install bitbully), tic-tac-toe's if all play to the end says so, the others' if
games that random movers finish from there come out even. Lines are dealt to training and arena,
which therefore share no final position.
"""

import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from sandwich_jax import games, sampling
from sandwich_jax.evaluation import solver
from sandwich_jax.games import Game

PLIES = {"connect_four": 6, "tic_tac_toe": 4, "othello": 6, "gardner_chess": 4}
BATCH = 256


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings; the defaults made the shipped file."""

    out: pathlib.Path = pathlib.Path("sandwich_jax/small_openings.npz")
    games: tuple[str, ...] = tuple(PLIES)
    """Those of which lines are drawn; lines of others stay as they are in the file."""
    count: int = 1200
    """Lines of a game, if it has as many."""
    batches: int = 200
    """Of lines that are drawn, at most."""
    playouts: int = 16
    """Games by random movers from a position, where nothing better is at hand."""
    playout_plies: int = 80
    even: float = 0.125
    """Mean result of playouts, for the first player, that is level up to this."""
    seed: int = 0


def drawn_lines(game: Game, plies: int, key: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    """A batch of random lines of labels, [N, L], and the codes of their last positions.

    Lines that end the game are left out.
    """
    state, labels = game.init(BATCH), []
    for ply in range(plies):
        uniform = jax.random.uniform(jax.random.fold_in(key, ply), (BATCH,))
        label = sampling.uniform_legal(uniform, game.legal(state))
        labels.append(np.asarray(label))
        state = _step(game, state, label)
    there = ~np.asarray(game.done(state))
    return np.stack(labels, 1)[there], np.asarray(game.encode(state))[there]


@functools.partial(jax.jit, static_argnums=0)
def _step(game: Game, state: object, label: jax.Array) -> object:
    return game.step(state, label)


def name_of(game: Game, code: np.ndarray) -> bytes:
    """The same for a position, its mirror images and turns; tic-tac-toe has too few for that."""
    if not game.symmetries or game.name == "tic_tac_toe":
        return code.tobytes()
    flat = code.reshape(-1, code.shape[-1])
    return min(flat[list(way.squares)].tobytes() for way in game.symmetries)


def level_by_solver(config: Config, game: Game, lines: np.ndarray) -> np.ndarray:
    """Whether a perfect solver calls them drawn."""
    return solver.outcomes(lines).max(1) == 0


def level_at_the_end(config: Config, game: Game, lines: np.ndarray) -> np.ndarray:
    """Whether all play to the end says that they are drawn, for tic-tac-toe."""
    return np.array([_worth(*_stones(line)) == 0 for line in lines])


ROWS = [{3 * i, 3 * i + 1, 3 * i + 2} for i in range(3)]
ROWS += [{i, i + 3, i + 6} for i in range(3)] + [{0, 4, 8}, {2, 4, 6}]


def _stones(line: np.ndarray) -> tuple[frozenset[int], frozenset[int]]:
    """Of the mover and of the other, after an even number of plies."""
    return frozenset(line[0::2].tolist()), frozenset(line[1::2].tolist())


@functools.cache
def _worth(own: frozenset[int], other: frozenset[int]) -> int:
    """Result for the mover with best play."""
    if any(row <= other for row in ROWS):
        return -1
    free = set(range(9)) - own - other
    return max((-_worth(other, own | {square}) for square in free), default=0)


def level_by_playouts(config: Config, game: Game, lines: np.ndarray) -> np.ndarray:
    """Whether random movers come out even from there."""
    each = _playouts(game, jnp.asarray(lines), config.playouts, config.playout_plies, config.seed)
    return np.abs(np.asarray(each)) <= config.even


@functools.partial(jax.jit, static_argnums=(0, 2, 3, 4))
def _playouts(game: Game, lines: jax.Array, times: int, plies: int, seed: int) -> jax.Array:
    def ply(state: object, key: jax.Array) -> tuple[object, None]:
        legal = game.legal(state)
        uniform = jax.random.uniform(key, legal.shape[:1])
        # Nothing is legal after the end, where any label does.
        return game.step(state, sampling.uniform_legal(uniform, legal)), None

    state = game.after(jnp.repeat(lines, times, axis=0))
    keys = jax.random.split(jax.random.key(seed), plies)
    return game.result(jax.lax.scan(ply, state, keys)[0]).reshape(-1, times).mean(1)


LEVEL = {"connect_four": level_by_solver, "tic_tac_toe": level_at_the_end}


def lines_of(config: Config, name: str) -> np.ndarray:
    """Level lines of a game, each to a position of its own."""
    game, kept, seen = games.make(name), [], set()
    for index in range(config.batches):
        key = jax.random.fold_in(jax.random.key(config.seed), index)
        lines, codes = drawn_lines(game, PLIES[name], key)
        fresh = []
        for line, code in zip(lines, codes, strict=True):
            if (own := name_of(game, code)) not in seen:
                seen.add(own)
                fresh.append(line)
        if fresh:
            # Whole batches, so that few programs are compiled.
            padded = np.resize(np.stack(fresh), (BATCH, PLIES[name]))
            level = LEVEL.get(name, level_by_playouts)(config, game, padded)[: len(fresh)]
            kept += [line for line, good in zip(fresh, level, strict=True) if good]
        if len(kept) >= config.count:
            break
    return np.asarray(kept[: config.count], np.uint16)


def main(config: Config) -> None:
    """Draws lines for every game that is wanted."""
    tables = dict(np.load(config.out)) if config.out.exists() else {}
    for name in config.games:
        lines = lines_of(config, name)
        tables |= {f"{name}.train": lines[0::2], f"{name}.arena": lines[1::2]}
        print(f"{name}: {len(lines)} lines of {lines.shape[1]} plies")
    temporary = config.out.with_suffix(".tmp.npz")
    np.savez_compressed(temporary, **tables)  # pyright: ignore
    temporary.replace(config.out)


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
