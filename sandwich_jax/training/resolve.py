"""Move codes to action labels: batches of games replayed on the board.

The games of a batch are sorted by length and replayed in groups, in calls of one shape, so that one
program is compiled whatever the file holds.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt32

from sandwich_jax.board.legal import legal
from sandwich_jax.board.move import Placement, move
from sandwich_jax.board.staging import stage
from sandwich_jax.board.state import INITIAL
from sandwich_jax.training.named_move import label_of_code

LANES = 256
"""Games replayed side by side: on a CPU, few enough to stay in the cache of one processor."""
PLIES = 256
"""Plies of one call; longer games go on in another."""


class _Lanes(NamedTuple):
    """Where each game stands; draws by rule do not matter, for players may play on."""

    placement: Placement
    words: UInt32[Array, "73 2 B"]


def resolve(codes: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the moves of whole games, each from the initial position.

    Args:
        codes: int32 [plies], codes of moves, game after game.
        lengths: int64 [games], how many belong to each.

    Returns:
        Labels, uint16 [plies], of no meaning from a game's first illegal move on; and
        bool [games], whether each move of a game is legal and the only one of its code.
    """
    labels = np.zeros(len(codes), np.int32)
    ends = np.cumsum(lengths)
    # Games of like length side by side: a group takes as long as its longest.
    order = np.argsort(lengths, kind="stable")
    spans = np.stack([ends - lengths, ends], -1)[order].tolist()
    for first in range(0, len(spans), LANES):
        _replay_group(codes, labels, spans[first : first + LANES])
    wrong = np.concatenate([[0], np.cumsum(labels < 0)])
    return labels.astype(np.uint16), wrong[ends] == wrong[ends - lengths]


def _replay_group(codes: np.ndarray, labels: np.ndarray, spans: list[list[int]]) -> None:
    """Fills in the labels of up to LANES games, which begin and end at `spans`, by length."""
    lanes = _start()
    plies = spans[-1][1] - spans[-1][0]
    for first in range(0, plies, PLIES):
        parts = [slice(min(i + first, end), min(i + first + PLIES, end)) for i, end in spans]
        grid = np.zeros((LANES, PLIES), np.int32)
        for row, part in zip(grid, parts, strict=False):
            row[: part.stop - part.start] = codes[part]
        lanes, found = _replay(lanes, grid, min(PLIES, plies - first))
        for row, part in zip(np.asarray(found), parts, strict=False):
            labels[part] = row[: part.stop - part.start]


def _start() -> _Lanes:
    """The initial position in every lane, in numpy: nothing to compile."""
    state = jax.tree.map(lambda x: np.repeat(np.asarray(x)[..., None], LANES, -1), INITIAL)
    return _Lanes(Placement(*(getattr(state, name) for name in Placement._fields)), state.words)


@jax.jit
def _replay(
    lanes: _Lanes, codes: Int[Array, "B T"], plies: Int[Array, ""]
) -> tuple[_Lanes, Int[Array, "B T"]]:
    """Plays the first `plies` codes; their labels, -1 where a code names no move or several."""
    codes = codes.T

    def ply(t, carry):
        lanes, labels = carry
        board, color = lanes.placement.board, lanes.placement.color
        label = stage(label_of_code, board, lanes.words, color, codes[t])
        placement = move(lanes.placement, label, label >= 0)
        words = legal(placement.board, placement.castling, placement.en_passant).words
        return _Lanes(placement, words), labels.at[t].set(label)

    lanes, labels = jax.lax.fori_loop(0, plies, ply, (lanes, jnp.full_like(codes, -1)))
    return lanes, labels.T
