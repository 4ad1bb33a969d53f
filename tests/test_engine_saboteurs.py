"""The worst and the riskiest move by an engine; engines that fail leave nothing behind."""

import chess
import fake_engine
import numpy as np
import pytest

from sandwich_jax.engines import engine_pool, engine_saboteurs, processes
from sandwich_jax.engines.engine_pool import EngineConfig, Pool
from sandwich_jax.engines.questions import Line
from sandwich_jax.training.corpus import label_of
from sandwich_jax.types import SettingError

BACK_RANK = chess.Board("6k1/5ppp/8/8/8/8/r4PPP/3R2K1 w - - 0 1")
NODES = 2000


@pytest.fixture(scope="module")
def pool():
    try:
        engine = processes.find()
    except SettingError as error:
        pytest.skip(str(error))
    with Pool(EngineConfig(engine, processes=1)) as made:
        yield made


def test_every_legal_move_has_a_score_best_first(pool):
    (lines,) = engine_saboteurs.all_moves(pool, [BACK_RANK], NODES)
    assert {line.move for line in lines} == set(BACK_RANK.legal_moves)
    assert lines[0].move.uci() == "d1d8" and lines[0].win == 1  # mate
    assert [x.centipawns for x in lines] == sorted((x.centipawns for x in lines), reverse=True)


def test_the_worst_move_gives_the_rook_away_with_mate(pool):
    (worst,) = engine_saboteurs.engine_worst(pool, [BACK_RANK], NODES)
    assert worst.uci() == "d1a1"


def test_shares_of_safe_follow_ups_by_their_definition(pool):
    moves = list(BACK_RANK.legal_moves)
    found = dict(
        zip(moves, engine_saboteurs.safe_shares(pool, BACK_RANK, moves, NODES), strict=True)
    )
    assert found[chess.Move.from_uci("d1d8")] == (1.0, 0.0)  # mate: nothing left to choose
    assert found[chess.Move.from_uci("d1a1")] == (1.0, 1.0)  # mated: likewise
    move = chess.Move.from_uci("h2h3")
    after = BACK_RANK.copy()
    after.push(move)
    ((reply,),) = pool.analyse([after], NODES)
    after.push(reply.move)
    (lines,) = pool.analyse([after], NODES, 218)
    best = max(line.win for line in lines)
    safe = [line for line in lines if line.win >= best - 0.10]
    assert found[move] == pytest.approx((len(safe) / len(lines), reply.win))
    (riskiest,) = engine_saboteurs.engine_riskiest(pool, [BACK_RANK], NODES)
    assert found[riskiest] == min(found.values())


def test_losses_stand_in_the_columns_of_their_moves():
    black = chess.Board("6k1/5ppp/8/8/8/8/r4PPP/3R2K1 b - - 0 1")
    a, b = (chess.Move.from_uci(uci) for uci in ("a2a1", "h7h6"))
    labels = np.asarray([[label_of(b, False), label_of(a, False), 0, -1]])
    lines = [Line(a, 300, 0.75), Line(b, -100, 0.25)]
    found = engine_saboteurs.losses([black], labels, [lines])
    np.testing.assert_array_equal(found, np.asarray([[0.5, 0.0, np.nan, np.nan]], np.float32))


@pytest.mark.parametrize("fault", ["crash", "hang", "nonsense"])
def test_an_engine_that_fails_is_one_sentence_and_no_orphan(tmp_path, fault):
    engine = fake_engine.make(tmp_path, fault, 1000)
    config = EngineConfig(engine, processes=1, restarts=1, seconds=0.5)
    with (
        Pool(config) as failing,
        pytest.raises(engine_pool.EngineFault, match="failed 2 times"),
    ):
        engine_saboteurs.engine_worst(failing, [BACK_RANK], NODES)
    assert fake_engine.die_out(tmp_path)


def test_an_absent_engine_is_one_sentence():
    with pytest.raises(SettingError, match="no such engine"):
        Pool(EngineConfig("/nowhere/engine"))


def test_boards_of_lines():
    board, line = chess.Board(), np.full((1, 6), -1, np.int16)
    for ply, uci in enumerate(("e2e4", "c7c5", "g1f3")):
        move = chess.Move.from_uci(uci)
        line[0, ply] = label_of(move, board.turn)
        board.push(move)
    (found,) = engine_saboteurs.boards_of(line)
    assert found.fen() == board.fen()
