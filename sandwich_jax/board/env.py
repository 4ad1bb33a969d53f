"""`Chess`: the rules as a pgx environment, with pgx's action labels and observation."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from pgx import core
from pgx._src.struct import dataclass

from . import state as packed_state
from .draws import Reason
from .expand import board_codes, expand
from .features import PAST, Past, observation, past_of, remember
from .notation import from_fen
from .pieces import planes_of, turn_over

if TYPE_CHECKING:
    from pgx._src.games.chess import GameState

_ORDERS = np.array([[0, 1], [1, 0]], np.int32)


@dataclass
class State(core.State):
    """A pgx state of one game (or of many, with leading axes, after `vmap`)."""

    current_player: jax.Array
    observation: jax.Array
    rewards: jax.Array
    terminated: jax.Array
    truncated: jax.Array
    legal_action_mask: jax.Array
    _step_count: jax.Array
    _player_order: jax.Array
    _packed: packed_state.State  # one game: leaves without their batch axis
    _past: Past
    _view: GameState | None = None  # stands in for `_x` where pgx code has put one there

    @property
    def env_id(self) -> core.EnvId:
        return "chess"

    @property
    def _x(self) -> GameState:
        """pgx's internal view of the game, made on demand; its hash history is left empty."""
        if self._view is not None:
            return self._view
        # Makes tables on the device: two seconds that a start need not take, and not under jit.
        import pgx._src.games.chess  # noqa: F401

        return _game_state(self._packed, self._past)


def _replace(self, **changes):
    """A copy with some fields changed; pgx code may also set `_x`."""
    if "_x" in changes:
        changes["_view"] = changes.pop("_x")
    return dataclasses.replace(self, **changes)


State.replace = _replace  # pyright: ignore[reportAttributeAccessIssue]


def _as_lanes(tree, leading: tuple[int, ...]):
    """Move leading axes, all of them, to one batch axis at the end."""
    n = int(np.prod(leading, dtype=int))

    def move(x):
        return jnp.moveaxis(jnp.reshape(x, (n, *x.shape[len(leading) :])), 0, -1)

    return jax.tree.map(move, tree)


@jax.jit  # pgx's drawing code asks for it at every square
def _game_state(packed: packed_state.State, past: Past) -> GameState:
    from pgx._src.games.chess import GameState

    leading = jnp.shape(packed.ply)
    s, past = _as_lanes(packed, leading), _as_lanes(past, leading)
    boards = []
    for age in range(PAST):
        planes = planes_of(past.boards[age])
        planes = turn_over(planes) if age % 2 else planes
        board = jnp.stack([jnp.stack(p) for p in planes])
        boards.append(board_codes(board).astype(jnp.int32))
    rights = jnp.stack([(s.castling & np.uint32(1 << i)) != 0 for i in range(4)], -1)

    def back(x):
        return jnp.reshape(x, (*leading, *x.shape[1:]))

    return GameState(
        color=s.color.reshape(leading),
        board=back(boards[0]),
        castling_rights=back(rights.reshape(-1, 2, 2)),
        en_passant=s.en_passant.reshape(leading),
        halfmove_count=s.halfmove.reshape(leading),
        fullmove_count=s.fullmove.reshape(leading),
        hash_history=jnp.zeros((*leading, 1, 2), jnp.uint32),
        board_history=back(jnp.stack(boards, 1)),
        legal_action_mask=back(expand(s.words)),
        step_count=s.ply.reshape(leading),
    )


class Chess(core.Env):
    """Chess by the FIDE rules, for pgx code.

    A game ends by checkmate, stalemate, insufficient material, a halfmove clock of 100, or the
    third occurrence of a position (en passant counted only where the capture is legal); at 512
    plies it is truncated, not terminated. Rewards are by player id: 1, -1 after checkmate, else 0.
    Actions are labels in 0..4671 and observations float32[8, 8, 119], both as in pgx.

    Args:
        pgx_compat: follow pgx 2.6 instead, for comparison: the en-passant square always counts
            towards a repetition, and the ply cap terminates.
    """

    def __init__(self, pgx_compat: bool = False):
        super().__init__()
        self.pgx_compat = pgx_compat

    def _init(self, key: jax.Array) -> State:
        order = jnp.asarray(_ORDERS)[jax.random.bernoulli(key).astype(jnp.int32)]
        return self._wrap(packed_state.init(1), order)

    def from_fen(self, fen: str) -> State:
        """The state of a game that begins at a position; player 0 is white. ValueError if bad."""
        games = from_fen(fen, raw_en_passant=self.pgx_compat)
        state = self._wrap(games, jnp.asarray(_ORDERS[0]))
        mask = state.legal_action_mask | state.terminated
        state = _replace(state, legal_action_mask=mask)
        return _replace(state, observation=self.observe(state))

    def _wrap(self, games: packed_state.State, order: jax.Array) -> State:
        """A pgx state, without its observation, from one packed game without a past."""
        return State(
            observation=jnp.zeros((8, 8, 119), jnp.float32),
            _step_count=jnp.int32(0),
            _player_order=order,
            _packed=jax.tree.map(lambda x: x[..., 0], games),
            _past=jax.tree.map(lambda x: x[..., 0], past_of(games)),
            **self._outcome(games, order),
        )

    def _outcome(self, games: packed_state.State, order: jax.Array) -> dict:
        """The pgx fields that follow from one packed game."""
        over, cap = games.reason[0] != 0, games.reason[0] == Reason.CAP
        return {
            "current_player": order[games.color[0]],
            "rewards": packed_state.rewards(games)[0][order],
            "terminated": over if self.pgx_compat else over & ~cap,
            "truncated": jnp.bool_(False) & cap if self.pgx_compat else cap,
            "legal_action_mask": expand(games.words)[0],
        }

    def _step(self, state: State, action: jax.Array, key) -> State:
        del key
        before, past = jax.tree.map(lambda x: x[..., None], (state._packed, state._past))
        label = jnp.asarray(action, jnp.int32)[None]
        after = packed_state.step(before, label, raw_en_passant=self.pgx_compat)
        past = remember(past, before, after)
        return _replace(
            state,
            _packed=jax.tree.map(lambda x: x[..., 0], after),
            _past=jax.tree.map(lambda x: x[..., 0], past),
            **self._outcome(after, state._player_order),
        )

    def _observe(self, state: State, player_id: jax.Array) -> jax.Array:
        games, past = jax.tree.map(lambda x: x[..., None], (state._packed, state._past))
        turned = None
        if player_id is not state.current_player:
            turned = jnp.asarray(player_id != state.current_player)[None]
        return observation(games, past, turned)[0]

    @property
    def id(self) -> core.EnvId:
        return "chess"

    @property
    def version(self) -> str:
        return "v2"

    @property
    def num_players(self) -> int:
        return 2
