"""pgx's own chess behind the same interface, to compare `sandwich_jax.board` with."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt
from pgx._src.games import chess as rules

from sandwich_jax import board
from sandwich_jax.games import chess
from sandwich_jax.games.game import Game, moves_of, swap, take, where

_PIECE_VALUES = np.asarray([0, 1, 3, 3, 5, 9, 0], np.int32)  # empty P N B R Q K


class PgxChessState(NamedTuple):
    """pgx's chess position without its observation, and the outcome once there is one."""

    x: rules.GameState
    done: Bool[Array, "B"]
    result: Float[Array, "B"]


def pgx_chess() -> Game:
    """Chess as pgx 2.6 plays it; positions are encoded as those of our board."""
    game = rules.Game()

    def init(batch: int) -> PgxChessState:
        x = game.init()
        # pgx 2.6 carries the initial hash of an older JAX, which misses repetitions of the start.
        x = x._replace(hash_history=x.hash_history.at[0].set(rules._zobrist_hash(x)))
        x = jax.tree.map(lambda a: jnp.broadcast_to(a, (batch, *jnp.shape(a))), x)
        return PgxChessState(x, jnp.zeros(batch, bool), jnp.zeros(batch))

    def outcome(x: rules.GameState) -> tuple[Array, Array]:
        return game.is_terminal(x), game.rewards(x)[0]

    def step(state: PgxChessState, label: Int[Array, "B"]) -> PgxChessState:
        x = jax.vmap(game.step)(state.x, jnp.maximum(label, 0).astype(jnp.int32))
        ended, result = jax.vmap(outcome)(x)
        result = jnp.where(state.done, state.result, jnp.where(ended, result, 0.0))
        return PgxChessState(x, state.done | ended, result)

    def replay_step(state: PgxChessState, label: Int[Array, "B"]) -> PgxChessState:
        x = jax.vmap(game.step)(state.x, jnp.maximum(label, 0).astype(jnp.int32))
        # Keeping the old mask leaves the new one unused, so XLA drops three quarters of the work.
        return state._replace(x=x._replace(legal_action_mask=state.x.legal_action_mask))

    return Game(
        name="pgx:chess",
        num_actions=board.LABELS,
        feature_shape=chess.FEATURE_SHAPE,
        max_plies=rules.MAX_TERMINATION_STEPS,
        init=init,
        step=step,
        legal=lambda state: state.x.legal_action_mask,
        done=lambda state: state.done,
        result=lambda state: state.result,
        encode=lambda state: jax.vmap(_encode)(state.x),
        decode=board.decode,
        position_hash=lambda state: jax.vmap(rules._zobrist_hash)(
            jax.vmap(lambda x: x._replace(en_passant=_legal_en_passant(x)))(state.x)
        ),
        replay_step=replay_step,
        first_to_move=lambda state: state.x.color == 0,
        moves=lambda state: moves_of(state.x.legal_action_mask, board.MOST_MOVES),
        material=lambda state: jax.vmap(_material)(state.x),
        take=take,
        where=where,
        swap=swap,
        targets=chess.TARGETS,
        openings=chess.openings,
    )


def _material(x: rules.GameState) -> Int[Array, ""]:
    lead = (jnp.sign(x.board) * jnp.asarray(_PIECE_VALUES)[jnp.abs(x.board)]).sum()
    return jnp.where(x.color == 0, lead, -lead)


def _capturable_en_passant(x: rules.GameState) -> Int[Array, ""]:
    """The en-passant square if a pawn of the mover stands ready to capture on it, else -1."""
    square = x.en_passant
    file = square // 8
    left = (file > 0) & (x.board[square - 9] == rules.PAWN)
    right = (file < 7) & (x.board[square + 7] == rules.PAWN)
    return jnp.where((square >= 0) & (left | right), square, -1)


def _legal_en_passant(x: rules.GameState) -> Int[Array, ""]:
    """The en-passant square if some capture on it is legal, else -1."""
    square = x.en_passant
    sources = jnp.stack([square - 9, square + 7])
    labels = sources * 73 + rules.TO_PLANE[sources, square]
    pawns = (sources >= 0) & (sources < 64) & (x.board[sources] == rules.PAWN)
    legal = (pawns & x.legal_action_mask[labels]).any()
    return jnp.where((square >= 0) & legal, square, -1)


def _encode(x: rules.GameState) -> UInt[Array, "9"]:
    """`board.encode` of a pgx position."""
    kind = jnp.abs(x.board)
    bits = [(kind >> i) & 1 for i in range(3)] + [x.board > 0]
    weights = np.uint32(1) << np.arange(32, dtype=np.uint32)
    planes = jnp.stack(bits).reshape(8, 32).astype(jnp.uint32) * weights
    repeated = (x.hash_history == x.hash_history[0]).all(axis=1).sum() > 1
    rest = (x.castling_rights.reshape(4) << jnp.arange(4)).sum()
    rest |= (repeated << 4) | ((_capturable_en_passant(x) + 1) << 5)
    rest |= (jnp.minimum(x.halfmove_count, 255) << 12) | (jnp.minimum(x.step_count, 512) << 20)
    return jnp.concatenate([planes.sum(-1, dtype=jnp.uint32), rest[None].astype(jnp.uint32)])
