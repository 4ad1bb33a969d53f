"""Other two-player games of pgx through the same code."""

from __future__ import annotations

import functools
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pgx
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax.games.game import Game, Split, Symmetry, moves_of, swap, take, where
from sandwich_jax.types import Hash

OPENINGS = pathlib.Path(__file__).parents[1] / "small_openings.npz"
"""Lines of four or six plies to positions that are level, each position at most once."""
MOST_MOVES = 128
"""No position of these games has more legal moves."""


class PgxState(NamedTuple):
    """A pgx state (its first player is player 0) and its outcome once there is one."""

    env: Any
    done: Bool[Array, "B"]
    result: Float[Array, "B"]


@functools.cache
def pgx_game(name: str) -> Game:
    """The game of `games.OTHER_GAMES` that pgx calls `name`."""
    env = pgx.make(name)  # pyright: ignore[reportArgumentType]
    # The key decides which player id moves first and nothing else: results go by colour, so one
    # fixed key (player 0 first) serves all games.
    keys = (jax.random.key(seed) for seed in range(64))
    start = next(s for s in map(env.init, keys) if int(s.current_player) == 0)
    shape = start.observation.shape
    shape = shape if len(shape) == 3 else (*shape, 1)

    def init(batch: int) -> PgxState:
        state = jax.tree.map(lambda a: jnp.broadcast_to(a, (batch, *jnp.shape(a))), start)
        return PgxState(state, jnp.zeros(batch, bool), jnp.zeros(batch))

    def step(state: PgxState, label: Int[Array, "B"]) -> PgxState:
        after = jax.vmap(env.step)(state.env, jnp.maximum(label, 0).astype(jnp.int32))
        ended = jnp.asarray(after.terminated | after.truncated)
        result = jnp.where(state.done, state.result, jnp.where(ended, after.rewards[:, 0], 0.0))
        return PgxState(after, state.done | ended, result)

    def encode(state: PgxState) -> Array:
        observation = state.env.observation
        return observation if observation.dtype == bool else observation.astype(jnp.float16)

    def position_hash(state: PgxState) -> Hash:
        planes = state.env.observation.reshape(state.done.shape[0], -1)
        words = jax.lax.bitcast_convert_type(planes.astype(jnp.float32), jnp.uint32)
        salt = jax.random.bits(jax.random.key(7), (2, words.shape[1]), jnp.uint32) | 1
        mixed = (words[:, None, :] + 1) * salt
        return (mixed ^ (mixed >> 15)).sum(axis=-1, dtype=jnp.uint32)

    return Game(
        name=name,
        num_actions=start.legal_action_mask.shape[0],
        feature_shape=shape,
        max_plies=256,
        init=init,
        step=step,
        legal=lambda state: state.env.legal_action_mask,
        done=lambda state: state.done,
        result=lambda state: state.result,
        encode=encode,
        decode=lambda encoded: encoded.astype(jnp.float32).reshape(encoded.shape[0], *shape),
        position_hash=position_hash,
        replay_step=step,
        first_to_move=lambda state: state.env.current_player == 0,
        moves=lambda state: moves_of(state.env.legal_action_mask, MOST_MOVES),
        material=None,
        take=take,
        where=where,
        swap=swap,
        targets=None,
        openings=lambda split: _openings(name, split),
        symmetries=_symmetries(name, shape),
    )


def _symmetries(name: str, shape: tuple[int, ...]) -> tuple[Symmetry, ...]:
    """Mirror images and, on a square board, turns; none where labels are moves between squares."""
    height, width = shape[:2]
    board = np.arange(height * width).reshape(height, width)
    if name == "connect_four":  # a label is a column
        columns = np.arange(width)
        return tuple(
            Symmetry(tuple(board[:, way].reshape(-1).tolist()), tuple(way.tolist()))
            for way in (columns, columns[::-1])
        )
    if name not in ("tic_tac_toe", "othello"):
        return ()
    turns = [np.rot90(side, k) for side in (board, board[:, ::-1]) for k in range(4)]
    # A label is a square, and in Othello the one after the last passes.
    passes = (height * width,) if name == "othello" else ()
    return tuple(
        Symmetry(
            tuple(turn.reshape(-1).tolist()), (*np.argsort(turn.reshape(-1)).tolist(), *passes)
        )
        for turn in turns
    )


@functools.cache
def _openings(name: str, split: Split) -> Int[np.ndarray, "N L"]:
    """Lines drawn beforehand by `experiments/make_openings.py`, see `OPENINGS`."""
    with np.load(OPENINGS) as lines:
        return lines[f"{name}.{split}"].astype(np.int32)
