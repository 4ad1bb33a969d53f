"""python-chess as the judge: labels, legal sets and reasons as this board should give them."""

import functools

import chess
import jax
import numpy as np

from sandwich_jax.board import PLY_CAP, Reason, expand, geometry, init, sample_uniform, step


def square_of(square: int, turn: bool) -> int:
    """python-chess's square in the mover's numbering."""
    ours = 8 * chess.square_file(square) + chess.square_rank(square)
    return ours if turn else ours ^ 7


@functools.cache
def label(start: int, end: int, promotion: int | None, turn: bool) -> int:
    return geometry.label_of(
        square_of(start, turn), square_of(end, turn), promotion or geometry.QUEEN
    )


def label_of(board: chess.Board, move: chess.Move) -> int:
    return label(move.from_square, move.to_square, move.promotion, board.turn)


def moves(board: chess.Board) -> dict[int, chess.Move]:
    """The legal moves by label."""
    return {label_of(board, m): m for m in board.legal_moves}


def reason(board: chess.Board, ply: int, any_move: bool) -> Reason:
    """Why the game is over, by questions to python-chess one at a time."""
    if not any_move:
        return Reason.CHECKMATE if board.is_check() else Reason.STALEMATE
    if board.is_insufficient_material():
        return Reason.INSUFFICIENT
    if board.halfmove_clock >= 100:
        return Reason.FIFTY
    if board.is_repetition(3):
        return Reason.THREEFOLD
    return Reason.CAP if ply >= PLY_CAP else Reason.NONE


@functools.partial(jax.jit, static_argnums=(1, 2))
def random_games(key, batch: int, plies: int):
    """The labels of random games, int32[plies, batch], and the state after each."""

    def body(state, key):
        action = sample_uniform(jax.random.uniform(key, (batch,)), state.words)
        after = step(state, action)
        seen = (after.words, after.reason, after.check, after.halfmove)
        return after, (action, *seen)

    return jax.lax.scan(body, init(batch), jax.random.split(key, plies))[1]


def compare(boards, labels, words, reasons, checks, clocks, goes_on):
    """Replay games on python-chess, and compare what is legal and why it is over at every ply.

    Args:
        boards: a chess.Board a game, at its start.
        labels: int[T, B] moves, negative after the end; the others, [T, ...], are what this board
            showed after each.
        goes_on: whether games are played on after a draw by rule.

    Returns:
        The number of plies compared, and how often each reason was seen.
    """
    plies, seen = 0, dict.fromkeys(Reason, 0)
    over = [False] * len(boards)
    for t in range(len(labels)):
        legal = np.asarray(expand(words[t]))
        for lane, board in enumerate(boards):
            action = int(labels[t, lane])
            if action < 0 or over[lane]:
                continue
            board.push(moves(board)[action])
            expected = moves(board)
            assert set(np.flatnonzero(legal[lane])) == set(expected), board.fen()
            why = reason(board, t + 1, bool(expected))
            assert reasons[t, lane] == why, (board.fen(), Reason(int(reasons[t, lane])), why)
            assert checks[t, lane] == board.is_check(), board.fen()
            assert clocks[t, lane] == board.halfmove_clock, board.fen()
            over[lane] = why != Reason.NONE and not goes_on
            plies += 1
            seen[why] += 1
    return plies, seen
