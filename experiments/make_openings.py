"""Makes sandwich_jax/openings.npz: balanced opening lines of eight plies, with Stockfish.

    python experiments/make_openings.py

Each ply is drawn uniformly from the moves that Stockfish holds to be within 50 centipawns of the
best; a line is kept if Stockfish calls the final position level within 50 centipawns and no other
line ends in that position. Lines are dealt to training and arena, which therefore share no final
position. The result depends on Stockfish's version (15.1 for the shipped file) and the seed.
"""

import dataclasses
import pathlib
import random
import shutil
from typing import Any

import chess
import chess.engine
import numpy as np
import tyro
from rich.progress import track

from sandwich_jax.training.corpus import label_of


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings; the defaults made the shipped file."""

    out: pathlib.Path = pathlib.Path("sandwich_jax/openings.npz")
    count: int = 2400
    plies: int = 8
    window: int = 50
    """Centipawns."""
    choices: int = 8
    draw_nodes: int = 3_000
    check_nodes: int = 20_000
    seed: int = 0


def _centipawns(info: Any, side: chess.Color) -> int:
    return info["score"].pov(side).score(mate_score=10_000)


def draw_line(engine: chess.engine.SimpleEngine, config: Config, rng: random.Random) -> chess.Board:
    """A line of `config.plies` plies, each about as good as the best."""
    board = chess.Board()
    limit = chess.engine.Limit(nodes=config.draw_nodes)
    while len(board.move_stack) < config.plies:
        infos: Any = engine.analyse(board, limit, multipv=config.choices)
        scores = [_centipawns(info, board.turn) for info in infos]
        near = [
            i["pv"][0] for i, s in zip(infos, scores, strict=True) if s >= scores[0] - config.window
        ]
        board.push(rng.choice(near))
    return board


def main(config: Config) -> None:
    """Draws lines until there are enough."""
    path = shutil.which("stockfish") or "/usr/games/stockfish"
    rng, lines = random.Random(config.seed), {}
    limit = chess.engine.Limit(nodes=config.check_nodes)
    with chess.engine.SimpleEngine.popen_uci(path) as engine:
        engine.configure({"Hash": 16, "Threads": 1})
        for _ in track(range(config.count), description="Openings"):
            while True:
                board = draw_line(engine, config, rng)
                score = _centipawns(engine.analyse(board, limit), chess.WHITE)
                if abs(score) <= config.window and board.epd() not in lines:
                    break
            moves = board.move_stack
            lines[board.epd()] = [label_of(m, i % 2 == 0) for i, m in enumerate(moves)]
    table = np.asarray(list(lines.values()), np.uint16)
    temporary = config.out.with_suffix(".tmp.npz")
    np.savez_compressed(temporary, train=table[0::2], arena=table[1::2])
    temporary.replace(config.out)


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
