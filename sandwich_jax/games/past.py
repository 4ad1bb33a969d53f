"""Chess with the last eight positions kept beside the present one, for networks that look back.

The game is that of `chess`; only states and encoded positions are larger. What lies before the
first position of a game is what Leela Chess Zero sees there: nothing if that is the initial
position, else the first position again and again, a pawn that has just advanced by two put back.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt

from sandwich_jax import board
from sandwich_jax.board.expand import paint
from sandwich_jax.board.features import PAST
from sandwich_jax.board.pieces import board_of, kinds, planes_of, turn_over
from sandwich_jax.board.staging import batch_first, stage
from sandwich_jax.board.state import INITIAL
from sandwich_jax.board.words import FULL, Squares, square
from sandwich_jax.games import chess
from sandwich_jax.games.game import Game
from sandwich_jax.types import SettingError

CODE_WORDS = chess.CODE_WORDS + 8 * (PAST - 1) + 1
"""uint32 words of an encoded position: that of `board.encode`, seven older boards, and a word."""
OBSERVED = 112
"""Planes of `observe`."""


class PastState(NamedTuple):
    """B games and what lies behind them; leaves end in the batch axis."""

    now: board.State
    older: UInt[Array, "7 4 2 B"]
    """Boards before it, newest first, each in the view of its own mover."""
    again: UInt[Array, "B"]
    """Bit i: the position i plies ago had occurred before when it was on the board."""


def begin(state: board.State) -> PastState:
    """Games that begin at the given states."""
    planes = planes_of(state.board)
    passed = square(state.en_passant)
    pawns = (planes[0] & ~passed.shift(0, -1)) | passed.shift(0, 1)
    before = [pawns, *planes[1:]]
    blank = _initial(state)
    sides = [jnp.where(blank, np.uint32(0), board_of(p)) for p in (turn_over(before), before)]
    older = jnp.stack([sides[i % 2] for i in range(PAST - 1)])
    return PastState(state, older, (state.repetitions > 0).astype(jnp.uint32))


def _initial(state: board.State) -> Bool[Array, "B"]:
    """Whether the position is the initial one."""
    same = (state.board == INITIAL.board[..., None]).all((0, 1))
    rights = state.castling == INITIAL.castling
    return same & rights & (state.color == 0) & (state.en_passant < 0)


def _advance(state: PastState, after: board.State) -> PastState:
    older = jnp.concatenate([state.now.board[None], state.older[:-1]])
    again = (state.again << np.uint32(1)) | (after.repetitions > 0).astype(jnp.uint32)
    moved = after.ply != state.now.ply
    kept = jnp.where(moved, again & np.uint32((1 << PAST) - 1), state.again)
    return PastState(after, jnp.where(moved, older, state.older), kept)


def encode(state: PastState) -> UInt[Array, "B 66"]:
    """A position and its past in 264 bytes; the first nine words are those of `board.encode`."""
    older = state.older.reshape(-1, state.older.shape[-1]).T
    return jnp.concatenate([board.encode(state.now), older, state.again[:, None]], 1)


def present(encoded: UInt[Array, "B W"]) -> UInt[Array, "B 9"]:
    """The present position alone, as `board.encode` gives it."""
    return encoded[:, : chess.CODE_WORDS]


def observe(encoded: UInt[Array, "B 66"]) -> Float[Array, "B 8 8 112"]:
    """Leela Chess Zero's classical input, [file, rank] in the mover's view.

    For each of the last eight positions, newest first, 13 planes: own pawns, knights, bishops,
    rooks, queens, king, the opponent's, and whether it had occurred before. Then 104-107 own right
    to castle queen side, king side, the opponent's; 108 Black to move; 109 the halfmove clock, up
    to 255; 110 zeros; 111 ones. Source: `EncodePositionForNN` of LeelaChessZero/lc0.

    Raises:
        SettingError: these are positions of `board.encode`, without their past.
    """
    if encoded.shape[-1] != CODE_WORDS:
        raise SettingError(
            "A network that looks back over the game (lc0-history:PATH) was given positions that"
            " stand alone: take lc0:PATH."
        )
    return _observe(encoded.T, board.color_of(encoded), board.clock_of(encoded))


@batch_first
def _observe(
    words: UInt[Array, "66 B"], color: Int[Array, "B"], clock: Int[Array, "B"]
) -> Float[Array, "B 8 8 112"]:
    def sets(words: Array, color: Array) -> list[Squares]:
        now, rest = words[:8], words[8]
        older = words[chess.CODE_WORDS : -1].reshape(PAST - 1, 8, -1)
        found = []
        for age, packed in enumerate([now, *older]):
            planes = planes_of(packed.reshape(4, 2, -1))
            planes = turn_over(planes) if age % 2 else planes
            found += [*kinds(planes), _everywhere(words[-1] & np.uint32(1 << age))]
        rights = [_everywhere(rest & np.uint32(1 << i)) for i in range(4)]
        full = _everywhere(rest == rest)
        return [*found, *rights, _everywhere(color), full, _everywhere(color & 0), full]

    def scales(clock: Array) -> Array:
        one = jnp.ones_like(clock, jnp.float32)
        clocks = OBSERVED - 3
        return jnp.stack(
            [clock.astype(jnp.float32) if i == clocks else one for i in range(OBSERVED)]
        )

    def stack(found: list[Squares]) -> Array:
        return jnp.stack([jnp.stack(one) for one in found])

    return paint(stage(stack, stage(sets, words, color)), stage(scales, clock))


def _everywhere(flag: Array) -> Squares:
    word = jnp.where(flag != 0, FULL, np.uint32(0))
    return Squares(word, word)


@functools.cache
def chess_with_past() -> Game:
    """`chess` by the same name, with states and encoded positions that tell the last eight.

    Its own features are those of `chess`; `observe` makes the others, of the same code.
    """
    game = chess.chess()

    def step(state: PastState, label: Int[Array, "B"]) -> PastState:
        return _advance(state, game.step(state.now, label))

    def replay_step(state: PastState, label: Int[Array, "B"]) -> PastState:
        return _advance(state, game.replay_step(state.now, label))

    material = game.material
    assert material is not None  # chess has such a thing
    return dataclasses.replace(
        game,
        init=lambda batch: begin(game.init(batch)),
        step=step,
        replay_step=replay_step,
        legal=lambda state: game.legal(state.now),
        done=lambda state: game.done(state.now),
        result=lambda state: game.result(state.now),
        encode=encode,
        decode=lambda encoded: game.decode(present(encoded)),
        position_hash=lambda state: game.position_hash(state.now),
        first_to_move=lambda state: game.first_to_move(state.now),
        moves=lambda state: game.moves(state.now),
        material=lambda state: material(state.now),
        legal_of=lambda encoded: chess.legal_of(present(encoded)),
    )
