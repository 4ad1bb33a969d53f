"""A player by its spelling that gives its best moves on python-chess boards.

random      uniformly random legal moves
stockfish:  an engine, see `engine_players`
and every network of `spelled`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import chess
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from sandwich_jax import board as rules
from sandwich_jax import games, sampling
from sandwich_jax.board.pieces import board_from_codes
from sandwich_jax.games import Game, past
from sandwich_jax.models import Model
from sandwich_jax.players import engine_players, spelled
from sandwich_jax.training.corpus import label_of, move_of
from sandwich_jax.types import Outputs, SettingError, State


def load(spec: str) -> Player | engine_players.EnginePlayer:
    """The chess player that `spec` names.

    Raises:
        SettingError: there is no such player.
    """
    if engine_players.is_engine(spec):
        return engine_players.EnginePlayer(spec)
    if spec == "random":
        return Player(spec, None, np.random.default_rng())
    return Player(spec, spelled.load_network(spec), np.random.default_rng())


@dataclasses.dataclass
class Player:
    """Plays on python-chess boards, many at once."""

    name: str
    model: Model | None
    """None for the random mover."""
    rng: np.random.Generator

    def best_moves(self, boards: list[chess.Board]) -> list[chess.Move]:
        """The first choice on every board, in one batch.

        Raises:
            ValueError: a board has no legal move.
        """
        legal = [list(board.legal_moves) for board in boards]
        if not all(legal):
            raise ValueError("A board has no legal move.")
        if self.model is None:
            return [moves[self.rng.integers(len(moves))] for moves in legal]
        mask = np.zeros((len(boards), 64 * 73), bool)
        for row, (board, moves) in enumerate(zip(boards, legal, strict=True)):
            mask[row, [label_of(move, board.turn) for move in moves]] = True
        logits, _ = look(self.model, boards)
        labels = np.asarray(sampling.greedy(jnp.asarray(logits), jnp.asarray(mask)))
        return [move_of(int(x), board) for x, board in zip(labels, boards, strict=True)]


def look(
    model: Model, boards: Sequence[chess.Board]
) -> tuple[Float[np.ndarray, "B A"], Float[np.ndarray, "B"]]:
    """What a network says of some boards: logits, and values for the side to move in [-1, 1]."""
    # Batches of few sizes, so that few programs are compiled.
    size = 1 << (len(boards) - 1).bit_length()
    seen = _seen_by(model, boards)
    row = np.minimum(np.arange(size), len(boards) - 1)
    outputs = _outputs(model, jax.tree.map(lambda x: x[row], seen))
    return np.asarray(outputs.logits)[: len(boards)], np.asarray(outputs.value)[: len(boards)]


@jax.jit
def _outputs(model: Model, seen: PyTree[Array]) -> Outputs:
    if model.net.sees is not None:
        return model.of(seen)
    return model.of_encoded(games.make("chess"), seen)


def _seen_by(model: Model, boards: Sequence[chess.Board]) -> PyTree[np.ndarray]:
    """Encoded positions, with their past where the model looks back; states where it searches.

    Raises:
        SettingError: a side has pieces that no game gives it, and the model looks back or searches.
    """
    net = model.net
    if net.sees is None and not net.looks_back:
        return np.stack([encode(board) for board in boards])
    game = past.chess_with_past() if net.looks_back else games.make("chess")
    states = [state_of(board, game) for board in boards]
    each = [game.encode(state) if net.sees is None else net.sees(game, state) for state in states]
    return jax.tree.map(lambda *parts: np.concatenate(list(map(np.asarray, parts))), *each)


def state_of(board: chess.Board, game: Game) -> State:
    """A board of python-chess, with its history, as a batch of one of a game of chess.

    Raises:
        SettingError: a side has pieces that no game gives it.
    """
    try:
        first = rules.from_fen(board.root().fen(en_passant="fen"))
    except ValueError as error:
        raise SettingError(f"The position cannot be played: {error}.") from error
    state = past.begin(first) if game is past.chess_with_past() else first
    replayed = board.root()
    for move in board.move_stack:
        label = jnp.asarray([label_of(move, replayed.turn)])
        state = _step(game, state, label)
        replayed.push(move)
    return state


@functools.partial(jax.jit, static_argnums=0)
def _step(game: Game, state: State, label: Array) -> State:
    return game.replay_step(state, label)


def encode(board: chess.Board) -> np.ndarray:
    """uint32[9], what `games.make("chess").encode` makes of a python-chess board."""
    codes = np.zeros(64, np.int8)
    flip = 0 if board.turn else 7
    for square, piece in board.piece_map().items():
        sign = 1 if piece.color == board.turn else -1
        file, rank = chess.square_file(square), chess.square_rank(square) ^ flip
        codes[file * 8 + rank] = sign * piece.piece_type
    us, them = board.turn, not board.turn
    castling = (
        board.has_queenside_castling_rights(us),
        board.has_kingside_castling_rights(us),
        board.has_queenside_castling_rights(them),
        board.has_kingside_castling_rights(them),
    )
    rest = sum(int(right) << i for i, right in enumerate(castling))
    rest |= int(board.is_repetition(2)) << 4
    if board.ep_square is not None and board.has_pseudo_legal_en_passant():
        file, rank = chess.square_file(board.ep_square), chess.square_rank(board.ep_square) ^ flip
        rest |= (file * 8 + rank + 1) << 5
    rest |= min(board.halfmove_clock, 255) << 12 | min(board.ply(), 512) << 20
    return np.append(board_from_codes(codes).reshape(8), np.uint32(rest))
