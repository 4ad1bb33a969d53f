"""The packed state of B games, and the step from one to the next.

Every leaf of a `State` has the batch as its LAST axis: the arithmetic runs over lanes, and this
way the lanes are what lies side by side in memory (a batch-first state, turned round in each step,
costs a third more on a CPU).
So `jnp.where(done, a, b)` and `x[..., lane]` work on every leaf alike; `where` and `take` do so for
a whole state. All functions are pure and may be jitted, scanned and mapped; `vmap` over a further
leading axis is merged into the batch.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import draws, geometry
from .draws import HISTORY, Reason
from .hashing import hash_position
from .legal import Legal, legal
from .move import Placement, move
from .pieces import board_from_codes
from .staging import batch_last, stage

_BACK = (4, 2, 3, 5, 6, 3, 2, 4)
START_CODES = np.array([[p, 1, 0, 0, 0, 0, -1, -p] for p in _BACK], np.int8).reshape(64)


class State(NamedTuple):
    """B games in the view of the side to move: 1,461 bytes a game."""

    board: jax.Array  # uint32[4, 2, B]: bit planes, see `pieces`
    words: jax.Array  # uint32[73, 2, B]: legal moves as sets of sources, see `geometry`
    count: jax.Array  # int32[B]: the number of legal moves
    history: jax.Array  # uint32[100, 2, B]: hashes of the positions before, by halfmove clock
    hash: jax.Array  # uint32[2, B]: of this position
    castling: jax.Array  # uint32[B]: 1 own queen side, 2 own king side, 4 and 8 the opponent's
    en_passant: jax.Array  # int32[B]: the square behind a pawn just advanced by two, or -1
    color: jax.Array  # int32[B]: 0 white to move, 1 black
    halfmove: jax.Array  # int32[B]: plies since the last capture or pawn move
    fullmove: jax.Array  # int32[B]: as in a FEN
    ply: jax.Array  # int32[B]: plies played since the first position of the game
    check: jax.Array  # bool[B]: the side to move is in check
    repetitions: jax.Array  # int32[B]: earlier occurrences of this position
    reason: jax.Array  # int32[B]: why the game is over (`Reason`), 0 while it goes on


def _derive(placement: Placement, history: jax.Array, raw_en_passant: bool) -> State:
    """Everything that follows from a placement and the hashes before it."""
    moves: Legal = legal(placement.board, placement.castling, placement.en_passant)

    def close(p: Placement, history, moves: Legal):
        counts = jnp.ones_like(moves.en_passant) if raw_en_passant else moves.en_passant
        square = jnp.where(counts, p.en_passant, -1)
        return hash_position(p.board, p.color, p.castling, square)

    hash_ = stage(close, placement, history, moves)
    repeated = stage(draws.repetitions, history, hash_, placement.halfmove)
    reason = draws.reason(
        moves.count > 0, moves.check, placement.board, placement.halfmove, repeated, placement.ply
    )
    return State(
        words=moves.words,
        count=moves.count,
        history=history,
        hash=hash_,
        check=moves.check,
        repetitions=repeated,
        reason=reason,
        **placement._asdict(),
    )


@batch_last
def _step(state: State, action: jax.Array) -> State:
    return _advance(state, action, False)


@batch_last
def _step_raw(state: State, action: jax.Array) -> State:
    return _advance(state, action, True)


def _advance(state: State, action: jax.Array, raw_en_passant: bool) -> State:
    before = Placement(*(getattr(state, name) for name in Placement._fields))
    live = (state.reason == 0) & (action >= 0)
    placement = move(before, action, live)
    slot = jnp.where(live, state.halfmove, HISTORY)  # beyond the end: nothing to remember
    history = stage(draws.remember, state.history, state.hash, slot)
    return _derive(placement, history, raw_en_passant)


def step(state: State, action: jax.Array, *, raw_en_passant: bool = False) -> State:
    """Play one move in each game.

    A finished game, or one given a negative label, stays exactly as it is.

    Args:
        state: B games.
        action: int32[B], labels of legal moves (0..4671) in the view of the side to move. They are
            not checked: an illegal label gives a position of no meaning.
        raw_en_passant: count the en-passant square as part of a position even where no capture is
            legal (not the FIDE rule; for comparison with pgx). Use one value for a whole game.
    """
    return (_step_raw if raw_en_passant else _step)(state, jnp.asarray(action, jnp.int32))


@batch_last
def _start(placement: Placement) -> State:
    return _derive(placement, _no_history(placement), False)


@batch_last
def _start_raw(placement: Placement) -> State:
    return _derive(placement, _no_history(placement), True)


def _no_history(placement: Placement) -> jax.Array:
    return jnp.zeros((HISTORY, *placement.board.shape[1:]), jnp.uint32)


def start(placement: Placement, *, raw_en_passant: bool = False) -> State:
    """The state of games that begin with the given positions, with nothing before them."""
    return (_start_raw if raw_en_passant else _start)(placement)


# hash_position of the initial position; a test recomputes it.
_START_HASH = np.array([0xB90713D8, 0x07486DCA], np.uint32)


def _initial_words() -> np.ndarray:
    words = np.zeros((geometry.PLANES, 2), np.uint32)
    pairs = [(8 * f + 1, 8 * f + 1 + n) for f in range(8) for n in (1, 2)]
    pairs += [(geometry.B1, 2), (geometry.B1, 18), (geometry.G1, 42), (geometry.G1, 58)]
    for a, b in pairs:
        words[geometry.label_of(a, b) % geometry.PLANES, a // 32] |= np.uint32(1 << a % 32)
    return words


def _initial() -> State:
    """The initial position of one game, in numpy, so that importing compiles nothing."""
    board = board_from_codes(START_CODES)
    zero, one, all_rights = np.int32(0), np.int32(1), np.uint32(15)
    fields: dict[str, Any] = dict(
        board=board,
        words=_initial_words(),
        count=np.int32(20),
        history=np.zeros((HISTORY, 2), np.uint32),
        hash=_START_HASH,
        castling=all_rights,
        en_passant=np.int32(-1),
        color=zero,
        halfmove=zero,
        fullmove=one,
        ply=zero,
        check=np.bool_(False),
        repetitions=zero,
        reason=zero,
    )
    return State(**fields)


INITIAL = _initial()


def init(batch: int) -> State:
    """`batch` games at the initial position."""
    return jax.tree.map(
        lambda x: jnp.broadcast_to(jnp.asarray(x)[..., None], (*np.shape(x), batch)), INITIAL
    )


def where(condition: jax.Array, then: State, otherwise: State) -> State:
    """Lane by lane, one state or the other: bool[B] over two states of B games."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), then, otherwise)


def reset(state: State, done: jax.Array) -> State:
    """The initial position in the lanes where bool[B] `done` holds, the others as they are."""
    fresh = jax.tree.map(lambda a, b: jnp.where(done, a[..., None], b), INITIAL, state)
    # At a halfmove clock of 0 the history is not read.
    return fresh._replace(history=state.history)


def take(state: State, lanes) -> State:
    """The games in the given lanes (int32[N], or a slice)."""
    return jax.tree.map(lambda x: x[..., lanes], state)


def legal_words(state: State) -> jax.Array:
    """uint32[73, 2, B]: legal moves as sets of source squares, plane by plane (see `geometry`).

    They are the rules' legal moves also where the game is over by a draw.
    """
    return state.words


def position_hash(state: State) -> jax.Array:
    """uint32[B, 2]: a hash of pieces, side to move, castling rights and legal en passant."""
    return jnp.moveaxis(state.hash, -1, 0)


def terminated(state: State) -> jax.Array:
    """bool[B]: over by the rules of chess."""
    return (state.reason > 0) & (state.reason < Reason.CAP)


def truncated(state: State) -> jax.Array:
    """bool[B]: stopped at 512 plies, the result open."""
    return state.reason == Reason.CAP


def rewards(state: State) -> jax.Array:
    """float32[B, 2]: white's and black's result, 1 for a win, -1 for a loss, 0 else."""
    mated = jnp.where(state.reason == Reason.CHECKMATE, 1.0, 0.0)
    white = mated * jnp.where(state.color == 1, 1.0, -1.0)
    return jnp.stack([white, -white], -1).astype(jnp.float32)
