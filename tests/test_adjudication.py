"""Leads that are called before the end of a game, and what Stockfish says of them."""

import chess
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import arena
from sandwich_jax.engines import engine_pool, processes
from sandwich_jax.evaluation import adjudication
from sandwich_jax.play import Adjudication
from sandwich_jax.players import matches
from sandwich_jax.training.corpus import label_of
from sandwich_jax.types import SettingError

# --- adjudication ------------------------------------------------------------------------------


def _labels(line):
    board, labels = chess.Board(), []
    for san in line.split():
        move = board.parse_san(san)
        labels.append(label_of(move, board.turn))
        board.push(move)
    return np.asarray(labels)


def _ended(lines, points):
    """A match of one opening, 1. e4 e5, and two games: scores, openings."""
    moves = np.full((12, 1, 2), -1)
    for column, line in enumerate(lines):
        labels = _labels("e4 e5 " + line)[2:]
        moves[: len(labels), 0, column] = labels
    points = jnp.asarray([points])
    return arena.Scores(points, points, points == 2, jnp.asarray(moves)), _labels("e4 e5")[None]


def _calls(*lines, cap=99):
    points = [0.5] * len(lines)
    found = adjudication.calls(*_ended(lines, points), cap, Adjudication())
    return [
        [(call.rule, call.lead, call.white_ahead, call.board.ply()) for call in c] for c in found
    ]


def test_a_long_lead_is_called_by_its_least_margin():
    """Black leads by 3 from ply 6 on (a knight for a pawn is 2, so a bishop is needed)."""
    line = "Bc4 Nf6 Ba6 bxa6 a3 h6 b3 h5 c3 g6"
    same = "Nf3 Nc6 Nc3 Nf6"
    held, level = _calls(line, same)
    assert held == [("long lead", 3, False, 11)] and not level


def test_a_lead_lost_in_between_starts_anew():
    """The same until White takes back."""
    found, _ = _calls("Bc4 Nf6 Ba6 Nxe4 d3 bxa6 dxe4 h6 b3 h5", "Nf3")
    assert found == []


def test_at_the_cap_what_is_there_counts_and_a_finished_game_is_left_out():
    short = "Bc4 Nf6 Ba6 bxa6"
    mate = "Qh5 Nc6 Bc4 Nf6 Qxf7#"
    held, mated = _calls(short, mate, cap=4)
    assert held == [("cap", 3, False, 6)] and mated == []


# --- Stockfish ----------------------------------------------------------------------------------


@pytest.fixture
def stockfish():
    try:
        processes.find()
    except SettingError as error:
        pytest.skip(str(error))


def test_rungs_are_ordered(stockfish):
    strong, weak = "stockfish:nodes=200,q=0.8", "stockfish:nodes=200,q=0.2"
    with matches.Hall((strong, weak), matches.MatchConfig(12, max_plies=80)) as hall:
        assert matches.match_row(hall, strong, weak)["elo_lo"] > 0


def test_stockfish_agrees_on_a_queen(stockfish):
    taken, level = "Qh5 Nf6 Qxe5+ Be7 d4 Nc6 Qxe7+ Qxe7+", "Nf3 Nc6 Nc3 Nf6 a3 a6 h3 h6"
    found = adjudication.calls(*_ended([taken, level], [0.0, 0.5]), 8, Adjudication())
    called = [call for one in found for call in one]
    with engine_pool.Pool() as pool:
        wins = adjudication.scores_of_leaders(called, pool, 5000)
    rows = {(row.rule, row.lead): row for row in adjudication.agreement(called, wins, 3)}
    assert set(rows) == {("cap", str(n)) for n in range(1, 6)} | {("cap", "under 3")}
    assert all(row.agree == row.positions == 1 and not row.opposite for row in rows.values())
    assert rows["cap", "5"].leader > 0.75 and 0.25 < rows["cap", "under 3"].leader < 0.75


@pytest.mark.slow
def test_stockfish_against_itself_is_level_and_more_nodes_win(stockfish):
    """Random moves among its own, or an engine at fixed nodes would play every pair alike."""
    rung, few, many = "stockfish:nodes=300,q=0.9", "stockfish:nodes=300", "stockfish:nodes=1200"
    with matches.Hall((rung, few, many), matches.MatchConfig(40)) as hall:
        same, better = matches.match_row(hall, rung, rung), matches.match_row(hall, many, few)
    assert same["elo_lo"] <= 0 <= same["elo_hi"]
    assert better["elo_lo"] > 0
