"""A game by name: rules, network features, openings, record and replay, all batched.

A game is recorded as its opening and its action labels (2 bytes a ply); positions are replayed
from them, or kept as encoded positions (36 bytes for chess), from which features are made.
Players alternate strictly in every game here: ply parity says who moves.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pgx
from jaxtyping import Array, Bool, Float, Int, UInt
from pgx._src.games import chess as pgx_chess

from sandwich_jax.types import Hash, Heads, SettingError, State

Split = Literal["train", "arena"]


@dataclasses.dataclass(frozen=True)
class Game:
    """Batched pure functions over states with a leading axis B.

    After the end of a game its state is undefined, but `done` and `result` stay as they are.
    """

    name: str
    num_actions: int
    feature_shape: tuple[int, int, int]
    """[H, W, C] of the network features."""
    max_plies: int
    """The rules of the implementation stop a game here."""
    init: Callable[[int], State]
    """`init(batch)`: that many initial positions."""
    step: Callable[[State, Int[Array, "B"]], State]
    legal: Callable[[State], Bool[Array, "B A"]]
    done: Callable[[State], Bool[Array, "B"]]
    result: Callable[[State], Float[Array, "B"]]
    """By the rules, for the first player (White): 1, 0 or -1; 0 while the game goes on."""
    encode: Callable[[State], Array]
    """A position in few bytes, [B, ...]."""
    decode: Callable[[Array], Float[Array, "B H W C"]]
    """Network features of encoded positions, from the side to move's view."""
    position_hash: Callable[[State], Hash]
    """Equal for equal positions, whatever the way to them."""
    replay_step: Callable[[State, Int[Array, "B"]], State]
    """Like `step` for moves known to be legal; `legal`, `done`, `result` of it are undefined."""
    material: Callable[[State], Int[Array, "B"]] | None
    """First player's lead in material (1, 3, 3, 5, 9), where the game has such a thing."""
    take: Callable[[State, Int[Array, "N"]], State]
    """`take(state, lanes)`: the games in these lanes."""
    where: Callable[[Bool[Array, "B"], State, State], State]
    """`where(mask, a, b)`: lane by lane, one state or the other."""
    targets: tuple[int, ...] | None
    """The square that each label moves to (-1: none), where labels are moves between squares."""
    openings: Callable[[Split], Int[np.ndarray, "N L"]]
    """Opening lines as labels, an even number of plies each; the two splits are disjoint."""

    def features(self, state: State) -> Float[Array, "B H W C"]:
        """Network features of the positions in `state`, from the side to move's view."""
        return self.decode(self.encode(state))

    @property
    def heads(self) -> Heads:
        """What a network for this game sees and answers."""
        return Heads(self.feature_shape, self.num_actions, self.targets)

    def replay(self, moves: Int[Array, "T B"]) -> Array:
        """Encoded positions [T, B, ...] before each move; undefined after a label of -1."""

        def ply(state: State, label: Int[Array, "B"]) -> tuple[State, Array]:
            return self.replay_step(state, label), self.encode(state)

        return jax.lax.scan(ply, self.init(moves.shape[1]), moves)[1]

    def after(self, lines: Int[Array, "B L"]) -> State:
        """States after whole lines of legal labels."""

        def ply(state: State, label: Int[Array, "B"]) -> tuple[State, None]:
            return self.step(state, label), None

        return jax.lax.scan(ply, self.init(lines.shape[0]), lines.T)[0]


OTHER_GAMES = ("gardner_chess", "connect_four", "othello", "tic_tac_toe")
NAMES = ("chess", *OTHER_GAMES)


@functools.cache
def make(name: str) -> Game:
    """The game called `name`.

    Raises:
        SettingError: there is no such game.
    """
    if name == "chess":
        return _chess()
    if name in OTHER_GAMES:
        return _from_pgx(name)
    raise SettingError(f"Unknown game '{name}': choose one of {', '.join(NAMES)}.")


def _take(state: State, lanes: Int[Array, "N"]) -> State:
    return jax.tree.map(lambda x: x[lanes], state)


def _where(mask: Bool[Array, "B"], a: State, b: State) -> State:
    def pick(x: Array, y: Array) -> Array:
        return jnp.where(mask.reshape(-1, *([1] * (x.ndim - 1))), x, y)

    return jax.tree.map(pick, a, b)


# --- chess -------------------------------------------------------------------------------------

CHESS_BYTES = 36
_PIECE_VALUES = np.asarray([0, 1, 3, 3, 5, 9, 0], np.int32)  # empty P N B R Q K
_OPENINGS = pathlib.Path(__file__).with_name("openings.npz")


class ChessState(NamedTuple):
    """pgx's chess position without its observation, and the outcome once there is one."""

    x: pgx_chess.GameState
    done: Bool[Array, "B"]
    result: Float[Array, "B"]


def _chess() -> Game:
    rules = pgx_chess.Game()

    def init(batch: int) -> ChessState:
        x = rules.init()
        # pgx 2.6 carries the initial hash of an older JAX, which misses repetitions of the start.
        x = x._replace(hash_history=x.hash_history.at[0].set(pgx_chess._zobrist_hash(x)))
        x = jax.tree.map(lambda a: jnp.broadcast_to(a, (batch, *jnp.shape(a))), x)
        return ChessState(x, jnp.zeros(batch, bool), jnp.zeros(batch))

    def outcome(x: pgx_chess.GameState) -> tuple[Array, Array]:
        return rules.is_terminal(x), rules.rewards(x)[0]

    def step(state: ChessState, label: Int[Array, "B"]) -> ChessState:
        x = jax.vmap(rules.step)(state.x, jnp.maximum(label, 0).astype(jnp.int32))
        ended, result = jax.vmap(outcome)(x)
        result = jnp.where(state.done, state.result, jnp.where(ended, result, 0.0))
        return ChessState(x, state.done | ended, result)

    def replay_step(state: ChessState, label: Int[Array, "B"]) -> ChessState:
        x = jax.vmap(rules.step)(state.x, jnp.maximum(label, 0).astype(jnp.int32))
        # Keeping the old mask leaves the new one unused, so XLA drops three quarters of the work.
        return state._replace(x=x._replace(legal_action_mask=state.x.legal_action_mask))

    def openings(split: Split) -> Int[np.ndarray, "N L"]:
        with np.load(_OPENINGS) as lines:
            return lines[split].astype(np.int32)

    return Game(
        name="chess",
        num_actions=64 * 73,
        feature_shape=(8, 8, 20),
        max_plies=pgx_chess.MAX_TERMINATION_STEPS,
        init=init,
        step=step,
        legal=lambda state: state.x.legal_action_mask,
        done=lambda state: state.done,
        result=lambda state: state.result,
        encode=lambda state: jax.vmap(_encode_chess)(state.x),
        decode=decode_chess,
        position_hash=lambda state: jax.vmap(pgx_chess._zobrist_hash)(
            jax.vmap(lambda x: x._replace(en_passant=_legal_en_passant(x)))(state.x)
        ),
        replay_step=replay_step,
        material=lambda state: jax.vmap(_material)(state.x),
        take=_take,
        where=_where,
        targets=tuple(np.asarray(pgx_chess.FROM_PLANE).reshape(-1).tolist()),
        openings=openings,
    )


def _material(x: pgx_chess.GameState) -> Int[Array, ""]:
    lead = (jnp.sign(x.board) * jnp.asarray(_PIECE_VALUES)[jnp.abs(x.board)]).sum()
    return jnp.where(x.color == 0, lead, -lead)


def _capturable_en_passant(x: pgx_chess.GameState) -> Int[Array, ""]:
    """The en-passant square if a pawn of the mover stands ready to capture on it, else -1."""
    square = x.en_passant
    file = square // 8
    left = (file > 0) & (x.board[square - 9] == pgx_chess.PAWN)
    right = (file < 7) & (x.board[square + 7] == pgx_chess.PAWN)
    return jnp.where((square >= 0) & (left | right), square, -1)


def _legal_en_passant(x: pgx_chess.GameState) -> Int[Array, ""]:
    """The en-passant square if some capture on it is legal, else -1."""
    square = x.en_passant
    sources = jnp.stack([square - 9, square + 7])
    labels = sources * 73 + pgx_chess.TO_PLANE[sources, square]
    pawns = (sources >= 0) & (sources < 64) & (x.board[sources] == pgx_chess.PAWN)
    legal = (pawns & x.legal_action_mask[labels]).any()
    return jnp.where((square >= 0) & legal, square, -1)


def _encode_chess(x: pgx_chess.GameState) -> UInt[Array, 36]:
    """32 bytes of two squares each, then flags, en passant, halfmove clock and ply.

    Squares run a1, a2 ... h8 from the mover's view. Flags: bits 0-3 castling (own queen side, own
    king side, the opponent's), bit 4 the position occurred before, bits 5-6 high bits of the ply.
    """
    codes = (x.board + 6).astype(jnp.uint8)
    squares = codes[0::2] | (codes[1::2] << 4)
    repeated = (x.hash_history == x.hash_history[0]).all(axis=1).sum() > 1
    castling = (x.castling_rights.reshape(4) << jnp.arange(4)).sum()
    flags = castling | (repeated << 4) | ((x.step_count >> 8) << 5)
    clock = jnp.minimum(x.halfmove_count, 255)
    tail = jnp.stack([flags, _capturable_en_passant(x) + 1, clock, x.step_count & 255])
    return jnp.concatenate([squares, tail.astype(jnp.uint8)])


def decode_chess(encoded: UInt[Array, "B 36"]) -> Float[Array, "B 8 8 20"]:
    """Features [file, rank] from the mover's view.

    Planes: 0-5 own P N B R Q K, 6-11 the opponent's, 12-15 castling rights (own queen side, own
    king side, the opponent's), 16 the square of a possible en-passant capture, 17 halfmove clock
    / 100, 18 ply / 512, 19 the position occurred before.
    """
    batch = encoded.shape[0]
    low, high = encoded[:, :32] & 15, encoded[:, :32] >> 4
    codes = jnp.stack([low, high], axis=-1).reshape(batch, 64).astype(jnp.int32) - 6
    kinds = jnp.asarray([1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6])
    pieces = codes[:, :, None] == kinds
    flags, passant, clock, ply = (encoded[:, 32 + i].astype(jnp.int32) for i in range(4))
    ply = ply + ((flags >> 5) << 8)
    target = jnp.arange(64) == passant[:, None] - 1
    flat = jnp.stack(
        [
            *((flags >> i) & 1 for i in range(4)),
            clock / 100.0,
            ply / 512.0,
            (flags >> 4) & 1,
        ],
        axis=-1,
    ).astype(jnp.float32)
    flat = jnp.broadcast_to(flat[:, None, :], (batch, 64, 7))
    planes = [pieces, flat[..., :4], target[..., None], flat[..., 4:]]
    return jnp.concatenate([p.astype(jnp.float32) for p in planes], -1).reshape(batch, 8, 8, 20)


# --- other games -------------------------------------------------------------------------------


class PgxState(NamedTuple):
    """A pgx state (its first player is player 0) and its outcome once there is one."""

    env: Any
    done: Bool[Array, "B"]
    result: Float[Array, "B"]


def _from_pgx(name: str) -> Game:
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
        material=None,
        take=_take,
        where=_where,
        targets=None,
        openings=lambda split: _random_openings(name, split),
    )


@functools.cache
def _random_openings(name: str, split: Split) -> Int[np.ndarray, "N 2"]:
    """Every line of two plies that leaves the game open, dealt to the splits in turn.

    Small games have few: the two splits differ, but transpositions are not looked for.
    """
    game = make(name)
    first = np.flatnonzero(np.asarray(game.legal(game.init(1)))[0])
    state = game.step(game.init(len(first)), jnp.asarray(first))
    replies = np.asarray(game.legal(state))
    pairs = zip(first, replies, strict=True)
    lines = np.asarray([(a, b) for a, row in pairs for b in np.flatnonzero(row)])
    lines = lines[np.random.default_rng(0).permutation(len(lines))]
    return lines[0::2] if split == "train" else lines[1::2]
