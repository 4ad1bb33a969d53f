"""Chess on `sandwich_jax.board`."""

from __future__ import annotations

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, UInt

from sandwich_jax import board
from sandwich_jax.board import geometry
from sandwich_jax.board.legal import legal as words_of_legal
from sandwich_jax.games.game import Game, Split

FEATURE_SHAPE = (8, 8, 20)
CODE_WORDS = 9
"""uint32 words of an encoded position (see `board.encode`)."""
OPENINGS = pathlib.Path(__file__).parents[1] / "openings.npz"
TARGETS = tuple(geometry.DESTINATION.reshape(-1).tolist())
"""The square that each label moves to, -1 where it leaves the board."""


def openings(split: Split) -> Int[np.ndarray, "N 8"]:
    """Balanced lines of eight plies, as labels."""
    with np.load(OPENINGS) as lines:
        return lines[split].astype(np.int32)


def chess() -> Game:
    """Chess by the rules of FIDE; leaves of its states end in the batch axis."""
    return Game(
        name="chess",
        num_actions=board.LABELS,
        feature_shape=FEATURE_SHAPE,
        max_plies=board.PLY_CAP,
        init=board.init,
        step=board.step,
        legal=lambda state: board.expand(state.words),
        done=board.terminated,
        result=lambda state: board.rewards(state)[:, 0],
        encode=board.encode,
        decode=board.decode,
        position_hash=board.position_hash,
        replay_step=_replay_step,
        first_to_move=lambda state: state.color == 0,
        moves=lambda state: board.legal_labels(state.words),
        material=_material,
        take=board.take,
        where=board.where,
        swap=_swap,
        targets=TARGETS,
        openings=openings,
        legal_of=legal_of,
    )


def legal_of(encoded: UInt[Array, "B 9"]) -> Bool[Array, "B A"]:
    """Legal moves of `board.encode`d positions, also where the game is over by a draw."""
    rest = encoded[:, 8]
    passed = ((rest >> np.uint32(5)) & np.uint32(127)).astype(jnp.int32) - 1
    planes = encoded[:, :8].T.reshape(4, 2, -1)
    return board.expand(words_of_legal(planes, rest & np.uint32(15), passed).words)


def _replay_step(state: board.State, label: Int[Array, "B"]) -> board.State:
    # Players may go on after a draw by rule.
    return board.step(state._replace(reason=0 * state.reason), label)


def _swap(state: board.State) -> board.State:
    return jax.tree.map(lambda x: jnp.roll(x, x.shape[-1] // 2, axis=-1), state)


def _material(state: board.State) -> Int[Array, "B"]:
    lead = board.material(state.board)
    return jnp.where(state.color == 0, lead, -lead)
