"""An engine in the place of a network: as E, asked in the middle of jitted self-play.

It sees encoded positions, and answers with one certain move and the value of its score; it has no
opinion of the other moves. A callback leads out of the jitted program to a bounded pool. Every
answer is kept on disk as soon as it is there, by position, so that no position is asked twice, in
whatever run or process. The engine is told pieces, castling rights and en passant, not the game.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import threading
from typing import Any

import chess
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt

from sandwich_jax.board import LABELS
from sandwich_jax.engines import analyses
from sandwich_jax.engines.analyses import Analyses, Choice
from sandwich_jax.engines.engine_pool import Pool
from sandwich_jax.games.chess import CODE_WORDS
from sandwich_jax.machine import waiting
from sandwich_jax.models import Model
from sandwich_jax.nets import Network
from sandwich_jax.sampling import ILLEGAL
from sandwich_jax.training.corpus import label_of
from sandwich_jax.types import Outputs, Params, SettingError

MOST_KNOWN = 200_000
"""Answers in memory, some 50 MB; all are on disk."""


@dataclasses.dataclass(frozen=True)
class EngineNet:
    """Which engine stands in a network's place."""

    nodes: int
    """Searched a position."""


@functools.cache
def model(config: EngineNet) -> Model:
    """The engine as a model without parameters; the same processes for all who ask for it.

    Raises:
        SettingError: there is no such engine.
    """
    asked = Asked(config, analyses.default_path())

    def apply(params: Params, encoded: UInt[Array, "B 9"]) -> Outputs:
        batch = encoded.shape[0]
        shapes = (
            jax.ShapeDtypeStruct((batch,), jnp.int32),
            jax.ShapeDtypeStruct((batch,), jnp.float32),
        )
        label, value = jax.pure_callback(asked.of, shapes, encoded, vmap_method="expand_dims")
        return Outputs(jnp.where(jnp.arange(LABELS) == label[:, None], 0.0, ILLEGAL), value)

    def inspect(params: Params, encoded: Array) -> tuple[Outputs, Array]:
        raise SettingError("An engine has no layers to look into: choose a network.")

    # What it sees are positions as they are encoded.
    seen = lambda encoded: encoded  # noqa: E731
    return Model(Network(config, lambda key: (), apply, 0, inspect, seen, by_moves=True), ())


class Asked:
    """The answers of one engine, in memory, on disk, or from its processes."""

    def __init__(self, config: EngineNet, path: pathlib.Path):
        """Raises SettingError where there is no engine, or `path` is no cache."""
        self.pool = Pool()
        self.answers = Analyses(self.pool, config.nodes, path, analyses.CHOICES)
        self.known: dict[bytes, tuple[int, float]] = {}
        self.lock = threading.Lock()

    def of(self, encoded: Any) -> tuple[np.ndarray, np.ndarray]:
        """Labels, and values for the mover in [-1, 1], of positions [..., 9].

        Rows of zeros are no positions, and cost nothing.
        """
        codes = np.asarray(encoded)
        lead = codes.shape[:-1]
        codes = codes.reshape(-1, codes.shape[-1])[:, :CODE_WORDS]
        with self.lock, waiting.on("engine"):
            keys = _keys(codes)
            missing = {key: row for row, key in enumerate(keys) if key and key not in self.known}
            boards = boards_of(codes[list(missing.values())])
            answers = zip(missing, boards, self.answers.of(boards), strict=True)
            self.known |= {key: _answer(board, choice) for key, board, choice in answers}
            found = [self.known[key] if key else (0, 0.0) for key in keys]
            if len(self.known) > MOST_KNOWN:
                self.known.clear()
        labels, values = zip(*found, strict=True)
        return np.array(labels, np.int32).reshape(lead), np.array(values, np.float32).reshape(lead)


def _answer(board: chess.Board, choice: Choice) -> tuple[int, float]:
    label = label_of(chess.Move.from_uci(choice.move), board.turn) if choice.move else 0
    return label, 2 * choice.win - 1


_KEPT = np.uint32((1 << 4) - 1 | ((1 << 7) - 1) << 5)
"""Of the last word of an encoded position: castling and en passant."""


def _black(rest: Any) -> Any:
    """1 where Black is to move, by the last word of an encoded position; else 0."""
    return (rest >> 20 ^ rest >> 30) & 1


def _keys(codes: UInt[np.ndarray, "N 9"]) -> list[bytes]:
    """What an answer depends on; nothing for what is no position."""
    kept = codes.copy()
    kept[:, -1] = codes[:, -1] & _KEPT | _black(codes[:, -1]) << 20
    return [row.tobytes() if row[:8].any() else b"" for row in kept]


def boards_of(codes: UInt[np.ndarray, "N 9"]) -> list[chess.Board]:
    """Positions of `board.encode` on python-chess boards, without the game that led there."""
    words = codes[:, :8].reshape(-1, 4, 2)
    bits = words[..., None] >> np.arange(32, dtype=np.uint32) & np.uint32(1)
    c0, c1, c2, own = bits.reshape(len(codes), 4, 64).transpose(1, 0, 2).astype(np.int8)
    kinds = (c0 + 2 * c1 + 4 * c2) * np.where(own, 1, -1)
    return [_board(row, int(code[-1])) for row, code in zip(kinds, codes, strict=True)]


def _board(kinds: Float[np.ndarray, "64"], rest: int) -> chess.Board:
    """One position, from its pieces in the mover's view and the last word of its code."""
    white = not _black(rest)
    flip = 0 if white else 7

    def square(index: int) -> int:
        return chess.square(index // 8, index % 8 ^ flip)

    board = chess.Board(None)
    board.turn = white
    for index in np.flatnonzero(kinds):
        kind = int(kinds[index])
        board.set_piece_at(square(int(index)), chess.Piece(abs(kind), white == (kind > 0)))
    back = (0, 7) if white else (7, 0)
    corners = [chess.square(file, rank) for rank in back for file in (0, 7)]
    rights = [corner for bit, corner in enumerate(corners) if rest >> bit & 1]
    board.castling_rights = chess.SquareSet(rights).mask if rights else chess.BB_EMPTY
    passed = rest >> 5 & 127
    board.ep_square = square(passed - 1) if passed else None
    board.halfmove_clock = rest >> 12 & 255
    board.fullmove_number = (rest >> 20 & 1023) // 2 + 1
    return board
