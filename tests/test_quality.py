"""Quality by engine: Lichess's formulas by hand, and a cache that asks no question twice."""

import sqlite3

import chess
import fake_engine
import numpy as np
import pytest

from sandwich_jax import games
from sandwich_jax.engines import analyses, engine_pool, processes, questions
from sandwich_jax.engines.engine_pool import EngineConfig, Pool
from sandwich_jax.evaluation import judged, solver
from sandwich_jax.measures import quality, shares
from sandwich_jax.training.corpus import label_of, move_of
from sandwich_jax.types import Rollout, SettingError


def _moves(before, after, centipawns_before=None, centipawns_after=None, game=None):
    count = len(before)
    zeros = np.zeros(count, int)
    return quality.Moves(
        np.asarray(before, float),
        np.asarray(after, float),
        zeros if centipawns_before is None else np.asarray(centipawns_before),
        zeros if centipawns_after is None else np.asarray(centipawns_after),
        np.arange(count) if game is None else np.asarray(game),
    )


def test_accuracy_is_lichess():
    """103.1668 exp(-0.04354 d) - 3.1669 at 0, 10 and 50 points lost, and where a move gained."""
    found = quality.accuracy(_moves([0.5, 0.5, 0.5, 0.5], [0.5, 0.4, 0.0, 0.9]))
    assert found == pytest.approx([99.9999, 63.58, 8.53, 99.9999], abs=0.01)


def test_centipawn_loss_has_a_ceiling_and_is_never_a_gain():
    mate = questions.MATE - 1
    moves = _moves([0] * 4, [0] * 4, [30, 10, mate, 1500], [-20, 40, -mate, 1100])
    assert quality.centipawn_loss(moves).tolist() == [50, 0, 2000, 0]


def test_rates_of_blunders_and_mistakes():
    lost = [0.0, 0.04, 0.06, 0.11, 0.12, 0.16, 0.9, -0.2]
    found = quality.summary(_moves([0.95] * 8, 0.95 - np.asarray(lost)))
    names = ("inaccuracies", "mistakes", "blunders")
    assert [found[name] for name in names] == [1 / 8, 2 / 8, 2 / 8]
    assert found["moves"] == 8 and found["blunders_lo"] < 2 / 8 < found["blunders_hi"]
    assert quality.summary(_moves([], [])) == {"moves": 0}


def test_games_are_resampled_whole():
    rng = np.random.default_rng(0)
    after = rng.random(40)
    once = quality.summary(_moves(np.ones(40), after))
    copied = quality.summary(_moves(np.ones(400), np.repeat(after, 10), game=np.arange(400) // 10))
    figures = set(once) - {"moves"}
    assert {k: copied[k] for k in figures} == pytest.approx({k: once[k] for k in figures})


# --- the cache ----------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "analyses.sqlite"


def _pool(folder, *fault, **settings) -> Pool:
    changes = {"restarts": settings.pop("restarts", 2)}
    engine = fake_engine.make(folder, *fault, **settings)
    return Pool(EngineConfig(engine, processes=1, **changes))


def _line(plies: int) -> list[chess.Board]:
    board, found = chess.Board(), []
    for _ in range(plies):
        found.append(board.copy())
        board.push(next(iter(board.legal_moves)))
    return found


def test_no_position_is_asked_about_twice(tmp_path, path):
    boards = _line(6)
    with _pool(tmp_path) as pool:
        with analyses.Analyses(pool, 5, path) as first:
            found = first.of(boards + boards[:2])
            assert first.asked == 6 and found[:2] == found[6:]
            assert found[0] == (42, pytest.approx(questions.win_probability(42)))
            assert first.of(boards) == found[:6] and first.asked == 6
        with analyses.Analyses(pool, 5, path) as again:
            # Another move number and clock are the same position.
            later = chess.Board(boards[3].epd() + " 9 30")
            assert again.of([later]) == [found[3]] and again.asked == 0
        with analyses.Analyses(pool, 6, path) as other:
            other.of(boards)
            assert other.asked == 6
    rows = sqlite3.connect(path).execute("select engine, nodes, count(*) from verdicts group by 2")
    assert sorted(rows) == [("Fake", 5, 6), ("Fake", 6, 6)]


def test_games_that_are_over_need_no_engine(tmp_path, path):
    mated = chess.Board("R5k1/5ppp/8/8/8/8/8/6K1 b - - 0 1")
    stuck = chess.Board("k7/2Q5/8/8/8/8/8/K7 b - - 0 1")
    bare = chess.Board("k7/8/8/8/8/8/8/K7 b - - 0 1")
    with _pool(tmp_path) as pool, analyses.Analyses(pool, 5, path) as judge:
        found = judge.of([mated, stuck, bare])
        assert found == [(-questions.MATE, 0), (0, 0.5), (0, 0.5)] and judge.asked == 0


def test_what_was_done_before_a_crash_is_kept(tmp_path, path):
    boards = _line(8)
    with (
        _pool(tmp_path, "crash", 1000, after=5, restarts=0) as pool,
        analyses.Analyses(pool, 5, path) as judge,
        pytest.raises(engine_pool.EngineFault, match="5 of 8 positions were done"),
    ):
        judge.of(boards)
    (tmp_path / "well").mkdir()
    with _pool(tmp_path / "well") as pool, analyses.Analyses(pool, 5, path) as judge:
        assert len(judge.of(boards)) == 8 and judge.asked == 3


def test_a_damaged_cache_is_one_sentence(tmp_path, path):
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 100)
    with _pool(tmp_path) as pool, pytest.raises(SettingError, match="cannot be used as a cache"):
        analyses.Analyses(pool, 5, path)


def test_stockfish_tells_its_version():
    try:
        engine = processes.find()
    except SettingError as error:
        pytest.skip(str(error))
    with Pool(EngineConfig(engine, processes=1)) as pool:
        assert pool.version().startswith("Stockfish")


# --- moves of self-play -------------------------------------------------------------------------


def _rollout(plies: int) -> Rollout:
    """One game: the first legal move at every ply after the first training opening."""
    board = chess.Board()
    for label in games.make("chess").openings("train")[0]:
        board.push(move_of(int(label), board))
    moves = np.full((plies + 1, 1), -1, np.int16)
    for ply in range(plies):
        move = next(iter(board.legal_moves))
        moves[ply, 0] = label_of(move, board.turn)
        board.push(move)
    empty = Rollout(*[None] * len(Rollout._fields))
    return empty._replace(opening=np.asarray([0]), moves=moves, played=moves >= 0)


def test_moves_are_judged_from_the_movers_side(tmp_path, path):
    """The fake engine sees 42 centipawns for whoever is to move."""
    rollout = _rollout(4)
    with _pool(tmp_path) as pool, analyses.Analyses(pool, 5, path) as judge:
        found = judged.judge(judge, rollout, rollout.played)
        assert judge.asked == 5  # the position after a move is the one before the next
        win = questions.win_probability(42)
        assert found.moves.win_before == pytest.approx([win] * 4)
        assert found.moves.win_after == pytest.approx([1 - win] * 4)
        assert quality.centipawn_loss(found.moves).tolist() == [84] * 4
        assert found.ply.tolist() == [0, 1, 2, 3] and found.moves.game.tolist() == [0] * 4
        none = judged.judge(judge, rollout, np.zeros_like(rollout.played))
        assert quality.summary(none.moves) == {"moves": 0}


@pytest.mark.slow
def test_stockfish_judges_moves(tmp_path, path):
    """A queen given away is a blunder."""
    try:
        engine = processes.find()
    except SettingError as error:
        pytest.skip(str(error))
    before = chess.Board("4k3/8/8/3p4/8/4p3/8/3QK3 w - - 0 1")
    after = before.copy()
    after.push_uci("d1d2")
    with Pool(EngineConfig(engine)) as pool, analyses.Analyses(pool, 2000, path) as judge:
        first, second = judge.of([before, after])
    lost = _moves([first.win], [1 - second.win])
    assert quality.summary(lost)["blunders"] == 1


# --- intervals of figures over clusters ---------------------------------------------------------


def test_means_have_intervals():
    found = shares.mean(np.asarray([0.0, 1.0] * 200))
    assert found.value == 0.5 and 0.44 < found.low < 0.5 < found.high < 0.56
    assert shares.mean(np.zeros(0)) is None


def test_the_interval_of_a_ratio_holds_the_truth_as_often_as_it_says():
    """Pairs of moves in positions: some have many pairs, and the more there are the harder."""
    rng = np.random.default_rng(0)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        whole = rng.integers(1, 13, count)
        return rng.binomial(whole, rng.beta(14 - whole, 3)), whole

    part, whole = draw(1_000_000)
    truth, found = part.sum() / whole.sum(), [shares.ratio(*draw(200)) for _ in range(1000)]
    assert np.mean([one.low <= truth <= one.high for one in found]) == pytest.approx(0.95, abs=0.02)


def test_the_interval_of_rightly_ordered_moves_is_of_their_ratio(monkeypatch):
    """Ten positions with one pair of different results, all right; ten with six, half of them."""
    few = np.asarray([1.0, 0.0, *[np.nan] * 5])
    many = np.asarray([1.0, 1.0, 0.0, 0.0, 0.0, *[np.nan] * 2])
    positions = solver.Positions(np.zeros((20, 1), int), np.stack([few, many] * 10))
    values = np.tile([1.0, *[0.0] * 6], (20, 1))
    monkeypatch.setattr(solver, "looks", lambda model, lines: (np.zeros(20, int), values))
    row = solver.figures(None, positions)
    assert row["ordered"] == pytest.approx(40 / 70)
    error = np.sqrt(10 * (1 - 4 / 7) ** 2 + 10 * (3 - 6 * 4 / 7) ** 2) / 70
    ends = [row["ordered"] - 1.96 * error, row["ordered"] + 1.96 * error]
    assert [row["ordered_lo"], row["ordered_hi"]] == pytest.approx(ends)
