"""Other two-player games of pgx through the same code."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pgx
from jaxtyping import Array, Bool, Float, Int

from sandwich_jax.games.game import Game, Split, moves_of, swap, take, where
from sandwich_jax.types import Hash

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
        openings=lambda split: _random_openings(name, split),
    )


@functools.cache
def _random_openings(name: str, split: Split) -> Int[np.ndarray, "N 2"]:
    """Every line of two plies that leaves the game open, dealt to the splits in turn.

    Small games have few: the two splits differ, but transpositions are not looked for.
    """
    game = pgx_game(name)
    first = np.flatnonzero(np.asarray(game.legal(game.init(1)))[0])
    state = jax.jit(game.step)(game.init(len(first)), jnp.asarray(first))
    replies = np.asarray(game.legal(state))
    pairs = zip(first, replies, strict=True)
    lines = np.asarray([(a, b) for a, row in pairs for b in np.flatnonzero(row)])
    lines = lines[np.random.default_rng(0).permutation(len(lines))]
    return lines[0::2] if split == "train" else lines[1::2]
