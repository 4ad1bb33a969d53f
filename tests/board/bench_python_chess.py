"""Random games here and on python-chess, by turns in one process. Run it as a script."""

import json
import random
import statistics
import sys
import time

import chess
import jax

from sandwich_jax.board.bench import VARIANTS, _ours, _prepare, _rate


def python_chess(seconds: float) -> float:
    """Steps per CPU-second: legal moves listed, one drawn and played; no draw is looked for."""
    board, plies, began = chess.Board(), 0, time.process_time()
    while time.process_time() - began < seconds:
        moves = list(board.legal_moves)
        if not moves or plies % 200 == 199:
            board = chess.Board()
            moves = list(board.legal_moves)
        board.push(random.choice(moves))
        plies += 1
    return plies / (time.process_time() - began)


def main(batch: int) -> None:
    run = _prepare(_ours(VARIANTS[0], batch), batch, seconds=1.0)
    ours, peer = [], []
    for seed in range(5):
        ours.append(_rate(run, batch, seed, time.process_time))
        peer.append(python_chess(1.0))
    row = {"what": "packed masks against python-chess", "batch": batch}
    row |= {"ours": statistics.median(ours), "peer": statistics.median(peer)}
    row |= {"ratio": row["ours"] / row["peer"], "unit": "steps per CPU-second"}
    print(json.dumps(row | {"device": jax.devices()[0].device_kind}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1024)
