"""Matches by spelling: engines in lockstep, jitted players on the device, tables and rows."""

import json
import signal
import subprocess
import sys
import time

import chess
import fake_engine
import jax
import numpy as np
import pytest

from sandwich_jax import arena, cli, games, nets
from sandwich_jax.engines import processes
from sandwich_jax.engines.engine_pool import Strength
from sandwich_jax.machine import interrupts
from sandwich_jax.measures import sprt
from sandwich_jax.players import engine_players, lockstep, matches
from sandwich_jax.players.engine_players import EngineSpec
from sandwich_jax.types import SettingError

CHESS = games.make("chess")


@pytest.fixture(scope="module", autouse=True)
def _small_networks():
    """Untrained networks of the smallest size: it is compiled in a third of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets.SIZES, "tiny", nets.SIZES["nano"])
        yield


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """`fake(fault, times, after)`: this engine is Stockfish now."""
    monkeypatch.setattr(matches, "CHUNK", 2)

    def make(*fault, **settings) -> None:
        monkeypatch.setenv(processes.VARIABLE, fake_engine.make(tmp_path, *fault, **settings))

    return make


def _config(openings=2, max_plies=12, **changes):
    """Of as many openings as a chunk has here, as every number of games is compiled anew."""
    return matches.MatchConfig(openings, temperature=0.0, max_plies=max_plies, **changes)


# --- spelling -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "engine"),
    [
        ("stockfish:nodes=500", EngineSpec(Strength(500))),
        ("stockfish:nodes=500,q=0.3", EngineSpec(Strength(500), 0.3)),
        ("stockfish:q=.25,nodes=1", EngineSpec(Strength(1), 0.25)),
        ("stockfish:elo=1500", EngineSpec(Strength(elo=1500))),
        ("stockfish:elo=1500,nodes=7", EngineSpec(Strength(7, 1500))),
    ],
)
def test_engines_by_their_spelling(spec, engine):
    assert engine_players.parse(spec) == engine


@pytest.mark.parametrize(
    "spec",
    [
        *("stockfish", "stockfish:", "stockfish:nodes", "stockfish:nodes=", "stockfish:nodes=-1"),
        *("stockfish:nodes=1.5", "stockfish:q=0.5", "stockfish:depth=3", "stockfish:nodes=1,,"),
        *("stockfish:nodes=1,nodes=2", "stockfish:nodes=1,q=x", "stockfish:nodes=1,q=-0.1"),
    ],
)
def test_engines_that_cannot_be_spelled_so(spec):
    with pytest.raises(SettingError, match="spell an engine stockfish:nodes=N"):
        engine_players.parse(spec)


@pytest.mark.parametrize("spec", ["stockfish:nodes=0", "stockfish:nodes=1,q=1.5"])
def test_numbers_out_of_range(spec):
    with pytest.raises(SettingError, match="must be"):
        engine_players.parse(spec)


# --- games --------------------------------------------------------------------------------------


def test_lockstep_is_the_arena_game_by_game():
    """Two networks at temperature 0, by the jitted loop and by the Python one."""
    with matches.Hall(("fresh:1", "fresh:2"), _config(6, 60)) as hall:
        on_device = hall.match("fresh:1", "fresh:2")
        settings = arena.ArenaConfig(max_plies=60)
        sides = (hall.sides["fresh:1"], hall.sides["fresh:2"])
        slowly = lockstep.match(jax.random.key(0), CHESS, *sides, hall.lines, settings, None)
    plies = slowly.moves.shape[0]
    np.testing.assert_array_equal(slowly.moves, on_device.moves[:plies])
    assert (on_device.moves[plies:] == -1).all()
    for name in ("points", "points_by_rules", "adjudicated"):
        np.testing.assert_array_equal(getattr(slowly, name), getattr(on_device, name))
    assert np.asarray(slowly.adjudicated).any()


def test_any_number_of_openings():
    """Lanes come in whole rounds; what is played beyond the number asked for is cut off."""
    config = matches.MatchConfig(33, "tic_tac_toe", max_plies=2)
    with matches.Hall(("random",), config) as hall:
        assert hall.match("random", "random").points.shape == (33, 2)


def test_the_last_chunk_may_be_smaller(monkeypatch):
    def lines_of(hall, a, b, first, count):
        return hall.lines[first:][:count]

    monkeypatch.setattr(matches.Hall, "match", lines_of)
    with matches.Hall(("random",), _config(5)) as hall:
        chunks = list(hall.in_chunks("random", "random", 2))
        assert [len(lines) for lines in chunks] == [2, 2, 1]
        np.testing.assert_array_equal(np.concatenate(chunks), hall.lines)


def test_an_engine_scores_half_against_itself_opening_by_opening(fake):
    fake()
    with matches.Hall(("stockfish:nodes=1",), _config()) as hall:
        scores = hall.match("stockfish:nodes=1", "stockfish:nodes=1")
        row = matches.match_row(hall, "stockfish:nodes=1", "stockfish:nodes=1")
    np.testing.assert_allclose(scores.points.sum(axis=1), 1.0)
    np.testing.assert_array_equal(scores.moves[:, :, 0], scores.moves[:, :, 1])
    assert row["score"] == 0.5 and row["elo_lo"] < 0 < row["elo_hi"]
    assert row["pentanomial"] == [0, 0, 2, 0, 0]


def test_networks_and_engines_meet(fake):
    fake()
    with matches.Hall(("fresh:1", "stockfish:nodes=1"), _config()) as hall:
        one = hall.match("fresh:1", "stockfish:nodes=1")
        two = hall.match("stockfish:nodes=1", "fresh:1")
    np.testing.assert_array_equal(one.moves, two.moves[:, :, ::-1])
    np.testing.assert_allclose(one.points, 1 - two.points[:, ::-1])


def test_at_q_zero_nobody_asks_the_engine(fake, tmp_path):
    fake("crash", 1000)
    with matches.Hall(("stockfish:nodes=1,q=0", "random"), _config()) as hall:
        first = hall.match("stockfish:nodes=1,q=0", "random")
        again = hall.match("stockfish:nodes=1,q=0", "random")
    np.testing.assert_array_equal(first.moves, again.moves)
    assert not list(tmp_path.glob("pid-*"))


def test_a_rung_asks_the_engine_as_often_as_it_says(fake, tmp_path):
    fake("crash", 0)
    with matches.Hall(("stockfish:nodes=1,q=0.25",), _config(2, 200)) as hall:
        scores = hall.match("stockfish:nodes=1,q=0.25", "stockfish:nodes=1,q=0.25")
    asked = len(list(tmp_path.glob("search-*"))) / (np.asarray(scores.moves) >= 0).sum()
    assert 0.19 < asked < 0.31


def test_what_was_played_before_a_fault_is_kept(fake, tmp_path, capsys):
    """Four games of 12 plies, then an engine that dies and dies."""
    fake("crash", 1000, after=30)
    arguments = ["random", "stockfish:nodes=1", "--openings", "6", "--max-plies", "12"]
    with pytest.raises(SystemExit) as ended:
        cli.main(["match", *arguments, "--out", str(tmp_path / "rows.jsonl")])
    said = capsys.readouterr()
    assert ended.value.code == 2 and "failed 4 times" in said.err
    (row,) = map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())
    assert row["games"] == 4 and row["cut_off"]
    assert "random against stockfish" in said.out


COMMANDS = {
    "match": ["match", "random", "stockfish:nodes=1", "--openings", "2", "--max-plies", "2"],
    "elo": ["elo", "random", "stockfish:nodes=1", "--openings", "2", "--max-plies", "2"],
    "puzzles": ["puzzles", "stockfish:nodes=1", "--file", "p.csv"],
}


@pytest.mark.parametrize("verb", COMMANDS)
@pytest.mark.parametrize("answer", ["0000", "(none)", "a1a1"])
def test_an_answer_that_is_no_move_is_one_sentence(
    fake, tmp_path, monkeypatch, capsys, verb, answer
):
    monkeypatch.chdir(tmp_path)
    fake(answer=answer)
    (tmp_path / "p.csv").write_text(
        "PuzzleId,FEN,Moves,Rating\na,6k1/5ppp/8/8/8/8/4q3/R5K1 b - - 0 1,e2e7 a1a8,1000\n"
    )
    with pytest.raises(SystemExit) as ended:
        cli.main(COMMANDS[verb])
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert ended.value.code == 2 and f"answered nonsense (move '{answer}' is no legal move)" in last


def test_the_boards_player_asks_too(fake):
    fake()
    player = engine_players.EnginePlayer("stockfish:nodes=1")
    try:
        board = chess.Board()
        assert player.best_moves([board, board]) == [next(iter(board.legal_moves))] * 2
    finally:
        player.close()


# --- Ctrl-C ------------------------------------------------------------------------------------


QUICK = ("--game", "tic_tac_toe", "--openings", "2", "--max-plies", "2")
"""Of a game that is compiled in a tenth of the time of chess."""


def _interrupted_after(monkeypatch, pieces: int) -> None:
    """Ctrl-C while piece number `pieces`, from 0, is played."""
    match, count = matches.Hall.match, iter(range(pieces))

    def cut(self, *about):
        if next(count, None) is None:
            raise KeyboardInterrupt
        return match(self, *about)

    monkeypatch.setattr(matches, "DEVICE_CHUNK", 1)
    monkeypatch.setattr(matches.Hall, "match", cut)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("pieces", [0, 1, 3])
def test_elo_tells_and_keeps_what_was_played_before_an_interrupt(
    monkeypatch, tmp_path, capsys, pieces, kept
):
    """Matches of two pieces each: one and a half are played, or half of one, or nothing."""
    _interrupted_after(monkeypatch, pieces)
    out = tmp_path / "rows.jsonl"
    arguments = ["elo", "random", "fresh:1", "fresh:2", *QUICK]
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments, *(["--out", str(out)] if kept else [])])
    said = capsys.readouterr()
    last = said.err.strip().splitlines()[-1]
    assert ended.value.code == 130 and last.startswith("sandwich-jax: interrupted")
    assert ("before anything was measured" in last) == (pieces == 0)
    assert ("against" in said.out, "One joint fit" in said.out) == (pieces > 0, pieces > 0)
    assert out.exists() == (kept and pieces > 0)
    if kept and pieces:
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        played = [row for row in rows if "pentanomial" in row]
        assert [row["games"] for row in played] == [4, 2][-(pieces // 3 + 1) :]
        assert [row.get("cut_off") for row in played] == [None, True][-(pieces // 3 + 1) :]
        assert str(out) in last and rows[-1]["cut_off"]
        assert {r["player"] for r in rows if "player" in r} == {"random", "fresh:1", "fresh:2"} - (
            {"fresh:2"} if pieces == 1 else set()
        )


def test_a_match_tells_what_was_played_before_an_interrupt(monkeypatch, capsys):
    _interrupted_after(monkeypatch, 1)
    with pytest.raises(SystemExit) as ended:
        cli.main(["match", "random", "fresh:1", *QUICK])
    said = capsys.readouterr()
    assert ended.value.code == 130 and "not kept, as there was no --out" in said.err
    assert "Cut off" in said.out


def test_an_interrupt_from_python_is_one():
    with pytest.raises(KeyboardInterrupt, match="before anything was measured"):
        interrupts.leave(False, None)


def test_an_interrupt_that_was_lost_is_not_forgotten():
    """JAX loses exceptions in what it calls back."""
    with interrupts.watch() as watch:
        watch.pause()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            watch.pause()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_in_a_running_match_ends_it_at_once(tmp_path):
    """By the signal's convention, whatever still runs on the device."""
    command = [sys.executable, "-m", "sandwich_jax.cli", "match", "random", "random"]
    process = subprocess.Popen(
        [*command, "--openings", "1200"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr and "random against random" in process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.strip().splitlines()[-1].startswith("sandwich-jax: interrupted")
    assert "Traceback" not in said


# --- rows and verbs -----------------------------------------------------------------------------


class _Won:
    """A hall in which `a` wins three games of four."""

    pool, config = None, _config(100)

    def in_chunks(self, a, b):
        points = np.asarray([[1.0, 0.0], [1.0, 1.0]])
        for _ in range(50):
            yield arena.Scores(points, points, points == 2, np.zeros((1, 2, 2)))  # type: ignore


def test_a_sequential_test_stops_when_it_may():
    row = matches.match_row(_Won(), "a", "b", sprt.Test(0, 100))  # type: ignore
    assert row["sprt"]["accepted"] == "H1" and row["games"] < 200
    none = matches.match_row(_Won(), "a", "b", sprt.Test(190, 191))  # type: ignore
    assert none["sprt"]["accepted"] is None and none["games"] == 200


def test_a_joint_fit_of_rows():
    better, level = np.asarray([[1.0, 0.5], [1.0, 0.0]] * 50), np.asarray([[1.0, 0.0]] * 100)
    rows, model = matches.standings({("a", "b"): better, ("b", "c"): level}, "c", 100)
    assert [row["player"] for row in rows] == ["a", "b", "c"]
    assert rows[2]["elo"] == rows[2]["elo_lo"] == rows[2]["elo_hi"] == 100
    assert rows[0]["elo_lo"] < rows[0]["elo"] < rows[0]["elo_hi"]
    assert all(row["in_range"] for row in rows) and model["white_advantage"] > 0
    lost, _ = matches.standings({("a", "b"): np.zeros((50, 2))}, "a")
    assert not any(row["in_range"] for row in lost)


def test_who_meets_whom():
    assert matches.pairs_of("abc", "all") == [("a", "b"), ("a", "c"), ("b", "c")]
    assert matches.pairs_of("abc", "neighbours") == [("a", "b"), ("b", "c")]
    assert matches.pairs_of("abcd", "near")[-3:] == [("b", "c"), ("b", "d"), ("c", "d")]
    for few in ("a", "aba"):
        with pytest.raises(SettingError, match="at least two players, all different"):
            matches.pairs_of(few, "all")


def test_elo_writes_matches_and_standings(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(matches, "DEVICE_CHUNK", 1)
    out = tmp_path / "rows.jsonl"
    settings = [*QUICK, "--anchor", "fresh:1"]
    cli.main(["elo", "random", "fresh:1", "fresh:2", *settings, "--out", str(out)])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["games"] for row in rows[:3]] == [4] * 3
    assert {row["player"] for row in rows[3:6]} == {"random", "fresh:1", "fresh:2"}
    assert rows[6]["anchor"] == "fresh:1"
    assert "One joint fit" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["match", "random", "nobody"], "Unknown player 'nobody'"),
        (["match", "random", "stockfish:depth=1"], "spell an engine"),
        (["match", "random", "random", "--openings", "0"], "openings and max-plies"),
        (["match", "random", "random", "--openings", "9999"], "the arena has"),
        (["match", "random", "random", "--temperature", "-1"], "temperature is -1"),
        (["match", "random", "random", "--sprt", "5", "0"], "the first must be the smaller"),
        (["match", "random", "stockfish:nodes=1", "--engine.path", "/no"], "/no: no such engine"),
        (["elo", "random"], "at least two players"),
        (["elo", "random", "fresh:1", "--anchor", "x"], "anchor is 'x'"),
    ],
)
def test_bad_input_is_one_sentence(arguments, says, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    said = capsys.readouterr()
    assert ended.value.code == 2 and says in said.err and not said.out
    assert len(said.err.strip().splitlines()) == 1
