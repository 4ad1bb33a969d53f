"""Small settings that several test files share."""

import functools
import importlib.util
import io
import json
import pathlib
import socket
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

import chess
import chess.pgn
import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax import games, nets
from sandwich_jax.members import Config
from sandwich_jax.models import Model
from sandwich_jax.training import corpus
from sandwich_jax.types import Rollout, Truth

SMALL = dict(
    game="tic_tac_toe",
    network="nano",  # compiled in a third of the time of the next size
    expert="fresh:1",
    weak="fresh:2",
    p=(0.0, 0.5),
    rounds=2,
    games=16,
    lanes=8,
    max_plies=8,
    updates=4,
    batch=32,
    window=2,
    arena_max_plies=8,
    round_openings=8,
    final_openings=16,
)

COMMON = {name: value for name, value in SMALL.items() if name != "p"}
SWEEP = COMMON | {"misalignment": "random_move", "p": [0.0, 0.5], "seeds": [0, 3]}
SIX = 6
"""Members of SWEEP: two strengths and the control, for two seeds."""
SIXTEEN = COMMON | {"misalignment": ["random_move", "policy_noise"], "p": [0.0, 0.3, 0.6],
                    "sigma": [0.5, 1.0, 2.0, 4.0], "seeds": 2}  # fmt: skip


def small(**changes) -> Config:
    """A run of seconds on a game of nine squares."""
    asks = changes.get("protocol") != "never_ask"  # who does not has no use of p
    return Config(**((SMALL if asks else COMMON) | changes))


EXPERIMENTS = pathlib.Path(__file__).parents[1] / "experiments"


def script(name: str):
    """A script of experiments/, as a module."""
    spec = importlib.util.spec_from_file_location(name, EXPERIMENTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def pgn(moves: str, result: str = "1-0", **tags: str) -> str:
    """One game as PGN text, by way of python-chess."""
    game = chess.pgn.Game()
    board, node = game.board(), game
    for san in moves.split():
        move = board.push_san(san)
        node = node.add_variation(move)
    game.headers["Result"] = result
    for name, value in tags.items():
        game.headers[name] = value
    return str(game) + "\n\n"


def read_pgn(text: str) -> list[chess.pgn.Game]:
    """Every game in a PGN text."""
    stream, games = io.StringIO(text), []
    while game := chess.pgn.read_game(stream):
        games.append(game)
    return games


@functools.cache
def random_play():
    """Tic-tac-toe played to its end at random; the first side is advised, and follows."""
    game = games.make("tic_tac_toe")
    net = nets.make("nano", game.heads)
    expert, weak = (Model(net, net.init(jax.random.key(seed))) for seed in (1, 2))
    rng, plies, count = np.random.default_rng(0), 9, 32
    opening = np.arange(count) % len(game.openings("train"))
    step, state = jax.jit(game.step), game.after(jnp.asarray(game.openings("train")[opening]))
    moves, honest = np.full((2, plies, count), -1, np.int16)
    for ply in range(plies):
        going, legal = ~np.asarray(game.done(state)), np.asarray(game.legal(state))
        for column in np.flatnonzero(going):
            drawn = rng.choice(np.flatnonzero(legal[column]), 2)
            moves[ply, column], honest[ply, column] = drawn
        state = step(state, jnp.asarray(moves[ply], jnp.int32))
    played, result = moves >= 0, np.asarray(game.result(state))
    assisted = played & (np.arange(plies) % 2 == 0)[:, None]
    corrupted = assisted & (rng.random(played.shape) < 0.5)
    rollout = Rollout(
        opening=opening,
        assisted_first=np.ones(count, bool),
        moves=moves,
        played=played,
        assisted=assisted,
        own=np.where(assisted, honest, -1).astype(np.int16),
        asked=assisted,
        advice=np.where(assisted, moves, -1).astype(np.int16),
        followed=assisted,
        advised_value=np.zeros(played.shape, np.float32),
        notes=(),
        result=result,
        finished=np.ones(count, bool),
        positions=None,
    )
    truth = Truth(corrupted, np.where(assisted, honest, -1), np.zeros(played.shape), result)
    return game, expert, weak, rollout, truth


def games_of_four(plies: int = 4, count: int = 6) -> Rollout:
    """Made-up tic-tac-toe: results 1, 1, -1, -1, 0 and one unfinished; sides take turns."""
    shape = (plies, count)
    played = jnp.ones(shape, bool).at[-1, 0].set(False)
    first = jnp.arange(count) % 2 == 0
    assisted = (jnp.arange(plies)[:, None] % 2 == 0) == first
    return Rollout(
        opening=jnp.zeros(count, jnp.int32),
        assisted_first=first,
        moves=jnp.arange(plies * count, dtype=jnp.int16).reshape(shape) % 9,
        played=played,
        assisted=assisted & played,
        own=jnp.full(shape, -1, jnp.int16),
        asked=assisted & played,
        advice=jnp.zeros(shape, jnp.int16),
        followed=assisted & played,
        advised_value=jnp.zeros(shape),
        notes=(),
        result=jnp.asarray([1.0, 1.0, -1.0, -1.0, 0.0, 0.0]),
        finished=jnp.asarray([True, True, True, True, True, False]),
        positions=jax.random.bernoulli(jax.random.key(2), 0.5, (*shape, 3, 3, 2)),
    )


class Kept(NamedTuple):
    """A game of a corpus."""

    moves: str
    """In SAN."""
    result: int
    elo: tuple[int, int]


def build_corpus(
    folder: pathlib.Path, data: str | bytes, name: str = "in.pgn"
) -> tuple[dict[str, int], list[Kept]]:
    """What `corpus build` counts in a file, and the games that it keeps."""
    source = folder / name
    source.write_bytes(data if isinstance(data, bytes) else data.encode())
    counts = corpus.build([source], folder / "out.npz", workers=1)
    return counts, kept_in(folder / "out.npz")


def kept_in(path: pathlib.Path) -> list[Kept]:
    """The games of a corpus file."""
    found, games = corpus.load(path), []
    for row, result in enumerate(found.result.tolist()):
        board, sans = chess.Board(), []
        for label in found.moves[found.starts[row] : found.starts[row + 1]]:
            move = corpus.move_of(int(label), board)
            assert move in board.legal_moves
            sans.append(board.san(move))
            board.push(move)
        games.append(Kept(" ".join(sans), result, tuple(found.elo[row].tolist())))
    return games


def rows_without_time(folder: pathlib.Path) -> list[dict]:
    """All rows of a run's or sweep's folder, each of them whole, but for the seconds."""
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def write_toml(settings: dict, path: pathlib.Path) -> pathlib.Path:
    """A sweep's file of flat settings."""
    path.write_text("".join(f"{name} = {json.dumps(v)}\n" for name, v in settings.items()))
    return path


def finish(processes: Sequence[subprocess.Popen]) -> list[str]:
    """What they printed; all must end well."""
    outputs = []
    for process in processes:
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        outputs.append(output)
    return outputs
