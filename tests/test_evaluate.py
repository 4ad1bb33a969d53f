"""Evaluation of a run folder: what is there is measured once, what is missing is told."""

import json
import zlib

import chess
import fake_engine
import numpy as np
import pytest
from helpers import pgn, random_play

from sandwich_jax import cli, games
from sandwich_jax.engines import analyses
from sandwich_jax.engines.engine_pool import EngineConfig
from sandwich_jax.evaluation import evaluate, evaluate_games, evaluate_networks, work
from sandwich_jax.evaluation.ledger import Ledger
from sandwich_jax.evaluation.settings import EvaluateConfig
from sandwich_jax.folders import log, rollouts, store
from sandwich_jax.players import spelled
from sandwich_jax.training import corpus
from sandwich_jax.training.corpus import label_of, move_of
from sandwich_jax.types import Rollout, SettingError, Truth

MEMBER = "always_follow random_move p=0.5"
SLUG = "always_follow-random_move-p-0.5"


def _folder(path, game, expert, weak, rollout, truth):
    """A run folder as a run leaves it, as far as it is read."""
    config = {"game": game, "expert": expert, "weak": weak, "network": "tiny"}
    store.write_json(path / "manifest.json", {"config": config})
    about = {"member": MEMBER}
    model = spelled.load_network(expert, game)
    card = store.NetworkCard(game, model.net.config, about)
    store.save_network(path / "networks" / SLUG, card, model.params)
    rows = [
        {"round": i, "member": MEMBER, "queries": 9, "pgr": 0.5, "pgr_lo": 0.4, "pgr_hi": 0.6}
        for i in (1, 2)
    ]
    store.write_text(path / "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    rollouts.save(path / "games" / f"{SLUG}.npz", 2, rollout, truth)
    return path


@pytest.fixture
def run(tmp_path):
    *_, rollout, truth = random_play()
    return _folder(tmp_path / "run", "tic_tac_toe", "fresh:1", "fresh:2", rollout, truth)


def test_a_sweep_folder_is_its_members_in_turn(tmp_path, capsys):
    *_, rollout, truth = random_play()
    store.write_json(tmp_path / "manifest.json", {"sweep": {"p": [0.5]}})
    with pytest.raises(SystemExit):
        cli.main(["evaluate", str(tmp_path)])
    assert "no member has begun" in capsys.readouterr().err
    members = [tmp_path / "members" / name for name in ("a", "b")]
    for place in members:
        _folder(place, "tic_tac_toe", "fresh:1", "fresh:2", rollout, truth)
    cli.main(["evaluate", str(tmp_path)])
    measured = [(place / "evaluation.jsonl").read_text() for place in members]
    assert measured[0] == measured[1] != ""
    cli.main(["evaluate", str(tmp_path)])
    assert [(place / "evaluation.jsonl").read_text() for place in members] == measured


def _of(rows, measure):
    return [row for row in rows if row["measure"] == measure]


def test_another_game_gives_what_needs_no_chess(run):
    found = evaluate.evaluate(run)
    assert log.read_rows(run / "evaluation.jsonl") == found.rows
    assert {row["measure"] for row in found.rows} == {
        "queries", "advice", "detection", "calibration"
    }  # fmt: skip
    assert [note.split(":")[0] for note in found.notes] == ["This run plays tic_tac_toe"]
    assert [row["queries"] for row in _of(found.rows, "queries")] == [9, 18]
    (advice,) = _of(found.rows, "advice")
    assert advice["asked"] == 1 and advice["subject"] == MEMBER
    assert advice["expert_harm_lo"] < advice["expert_harm"] < advice["expert_harm_hi"]
    kinds = [(row["network"], row["score"]) for row in _of(found.rows, "detection")]
    assert kinds == [(n, s) for n in ("W'", "W") for s in ("probability", "advised")]
    assert (run / "calibration.png").is_file() and (run / "safety.png").is_file()


@pytest.mark.parametrize("honest", [False, True])  # then there is nothing to tell apart
def test_nothing_is_measured_twice(tmp_path, monkeypatch, honest):
    *_, rollout, truth = random_play()
    if honest:
        truth = truth._replace(corrupted=np.zeros_like(truth.corrupted))
    run = _folder(tmp_path / "run", "tic_tac_toe", "fresh:1", "fresh:2", rollout, truth)
    first = evaluate.evaluate(run)
    assert all((row["auc"] is None) == honest for row in _of(first.rows, "detection"))

    def again(*_):
        raise AssertionError("measured twice")

    monkeypatch.setattr(evaluate_games.advice, "view", again)
    assert evaluate.evaluate(run).rows == first.rows
    lines = (run / "evaluation.jsonl").read_text().splitlines()
    kept = [line for line in lines if json.loads(line)["measure"] != "queries"]
    (run / "evaluation.jsonl").write_text("\n".join(kept) + "\n")
    assert len(evaluate.evaluate(run).rows) == len(first.rows)


def test_a_network_that_came_later_is_measured(tmp_path):
    *_, rollout, truth = random_play()
    run = _folder(tmp_path / "run", "tic_tac_toe", "fresh:1", "fresh:2", rollout, truth)
    own, aside = run / "networks" / SLUG, tmp_path / "aside"
    own.rename(aside)
    seen = {row["network"] for row in _of(evaluate.evaluate(run).rows, "detection")}
    assert seen == {"W"}
    aside.rename(own)
    seen = {row["network"] for row in _of(evaluate.evaluate(run).rows, "detection")}
    assert seen == {"W", "W'"}


def test_another_file_of_the_same_name_is_another_file(tmp_path):
    files = [tmp_path / name / "p.csv" for name in ("a", "b", "c")]
    for path, text in zip(files, ("one", "two", "one"), strict=True):
        path.parent.mkdir()
        path.write_text(text)
    one, two, same = map(evaluate_networks.content, files)
    assert one == same != two and one.startswith("p.csv ")
    assert evaluate_networks.content(tmp_path / "none.csv") == "none.csv"


def test_what_is_missing_is_told_and_the_rest_is_done(run):
    (run / "games" / f"{SLUG}.npz").write_bytes(b"PK")
    for path in (run / "networks" / SLUG).iterdir():
        path.unlink()
    found = evaluate.evaluate(run)
    assert {row["measure"] for row in found.rows} == {"queries"}
    said = " ".join(found.notes)
    assert "W' was left out" in said and "missing, damaged or of another version" in said
    (run / "games" / f"{SLUG}.npz").unlink()
    assert any("holds no games/*.npz" in note for note in evaluate.evaluate(run).notes)


def test_a_folder_without_a_run_is_one_sentence(tmp_path, capsys):
    with pytest.raises(SettingError, match="no run there"):
        evaluate.evaluate(tmp_path)
    with pytest.raises(SystemExit) as left:
        cli.main(["evaluate", str(tmp_path)])
    said = capsys.readouterr().err
    assert left.value.code == 2 and len(said.strip().splitlines()) == 1
    with pytest.raises(SettingError, match="nodes is 0"):
        EvaluateConfig(nodes=0)
    with pytest.raises(SettingError, match="seed is -1: it must be between 0"):
        EvaluateConfig(seed=-1)


def test_half_of_the_moves_looked_at_are_corrupted_where_there_are_enough():
    corrupted = np.arange(100).reshape(10, 10) < 30
    followed = np.ones((10, 10), bool)
    for count, bad, good in ((40, 20, 20), (80, 30, 50), (7, 3, 4), (500, 30, 70)):
        chosen = evaluate_games.sample(followed, corrupted, count, 0)
        assert ((chosen & corrupted).sum(), (chosen & ~corrupted).sum()) == (bad, good)
    assert not evaluate_games.sample(~followed, corrupted, 40, 0).any()


# --- chess --------------------------------------------------------------------------------------


def _chess_rollout(plies: int = 6, count: int = 4) -> tuple[Rollout, Truth]:
    """Random games; the first side is advised by turns corrupt and honest, and follows."""
    rng, lines = np.random.default_rng(0), games.make("chess").openings("train")
    moves = np.full((plies, count), -1, np.int16)
    for game in range(count):
        board = chess.Board()
        for label in lines[game]:
            board.push(move_of(int(label), board))
        for ply in range(plies):
            legal = list(board.legal_moves)
            move = legal[rng.integers(len(legal))]
            moves[ply, game] = label_of(move, board.turn)
            board.push(move)
    played = moves >= 0
    assisted = played & (np.arange(plies) % 2 == 0)[:, None]
    corrupted = assisted & (np.arange(count) % 2 == 0)
    rollout = Rollout(
        opening=np.arange(count), assisted_first=np.ones(count, bool), moves=moves, played=played,
        assisted=assisted, own=np.full(moves.shape, -1), asked=assisted,
        advice=np.where(assisted, moves, -1), followed=assisted,
        advised_value=np.zeros(moves.shape), notes=(),
        result=np.zeros(count), finished=np.zeros(count, bool), positions=None,
    )  # fmt: skip
    return rollout, Truth(corrupted, rollout.advice, np.zeros(moves.shape), np.ones(count))


@pytest.fixture(scope="module")
def chess_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    lines = ["e4 e5 Nf3 Nc6", "d4 d5 c4 e6", "c4 c5 Nc3 g6", "e4 c5 Nf3 d6"]
    (folder / "games.pgn").write_text(
        "".join(pgn(x, WhiteElo="1500", BlackElo="1700") for x in lines)
    )
    corpus.build([folder / "games.pgn"], folder / "c.npz", corpus.Filters(min_plies=2), 0.5)
    ladder = "7k/8/8/8/8/8/R7/1R4K1 b - - 0 1,h8g8 a2a7 g8f8 b1b8"
    (folder / "p.csv").write_text(f"PuzzleId,FEN,Moves,Rating\nx,{ladder},800\n")
    return _folder(folder / "run", "chess", "zoo:expert", "zoo:weak", *_chess_rollout())


def _settings(folder, **changes) -> EvaluateConfig:
    files = dict(puzzles=folder.parent / "p.csv", corpus=folder.parent / "c.npz")
    cache = folder.parent / "analyses.sqlite"
    return EvaluateConfig(**files, cache=cache, nodes=5, positions=50, **changes)


def test_chess_gives_everything_and_a_failing_engine_is_told(chess_run, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    engine = EngineConfig(fake_engine.make(broken, "crash", 1000, after=5), processes=1, restarts=0)
    first = evaluate.evaluate(chess_run, _settings(chess_run), engine)
    assert len(first.notes) == 1 and "harm of" in first.notes[0] and "5 of " in first.notes[0]
    measures = {"puzzles", "move match", "shift", "queries", "advice", "detection", "calibration"}
    assert {row["measure"] for row in first.rows} == measures

    engine = EngineConfig(fake_engine.make(tmp_path), processes=1)
    compared = _settings(chess_run, references=("zoo:expert", "zoo:weak"))
    found = evaluate.evaluate(chess_run, compared, engine)
    assert not found.notes
    assert {row["measure"] for row in found.rows} == measures | {"harm", "quality", "likeness"}
    like = {(r["subject"], r["reference"]): r["same"] for r in _of(found.rows, "likeness")}
    assert like["E", "zoo:expert"] == like[MEMBER, "zoo:expert"] == 1
    assert like["W", "zoo:expert"] == like["E", "zoo:weak"] < 1
    (harm,) = _of(found.rows, "harm")
    assert (harm["harm_moves_corrupted"], harm["harm_moves_honest"]) == (6, 6)
    assert harm["harm"] == pytest.approx(0)  # the fake engine sees 42 centipawns everywhere
    sides = {row["side"]: row["moves"] for row in _of(found.rows, "quality")}
    assert sides == {"assisted": 12, "alone": 12}
    kl = {r["player"]: r["kl_to_expert"] for r in _of(found.rows, "shift") if r["phase"] == "all"}
    assert kl[MEMBER] == pytest.approx(0, abs=1e-5) and kl["W"] > 0.01
    own = [row for row in _of(found.rows, "move match") if row["subject"] == "E"]
    assert own[0]["group"] == "all" and own[0]["expert"] == 1
    assert {"1400-1599", "1600-1799"} >= {r["group"] for r in own if r["group"][0].isdigit()}
    assert {row["subject"] for row in _of(found.rows, "puzzles")} == {"W", "E", MEMBER}
    assert "Evaluation of" in evaluate.table(work.open_run(chess_run), found.rows).title


class _Whim:
    """A judge that gives every position a win probability of its own."""

    engine, nodes = "whim", 1

    def of(self, boards, told=None):
        wins = [zlib.crc32(board.epd().encode()) / 2**32 for board in boards]
        return [analyses.Verdict(0, win) for win in wins]


@pytest.mark.parametrize("plays", ["advice", "own"])
def test_harm_is_of_the_advised_move_whatever_w_plays_when_it_takes_it(tmp_path, plays):
    rollout, truth = _chess_rollout()
    lines, lost = games.make("chess").openings("train"), np.zeros(rollout.moves.shape)
    for ply, game in np.argwhere(rollout.asked):
        board = chess.Board()
        for label in (*lines[game], *rollout.moves[:ply, game]):
            board.push(move_of(int(label), board))
        if plays == "own":
            legal = [label_of(move, board.turn) for move in board.legal_moves]
            rollout.advice[ply, game] = next(x for x in legal if x != rollout.moves[ply, game])
        after = board.copy()
        after.push(move_of(int(rollout.advice[ply, game]), after))
        before, then = _Whim().of([board, after])
        lost[ply, game] = before.win - (1 - then.win)
    run = work.open_run(_folder(tmp_path, "chess", "zoo:expert", "zoo:weak", rollout, truth))
    asked = work.Work(run, EvaluateConfig(), Ledger(tmp_path, []), lambda text: None)
    views = evaluate_games.Views(asked)
    assert evaluate_games.harm_of(asked, views, _Whim())
    (row,) = asked.ledger.rows
    bad, good = truth.corrupted, rollout.asked & ~truth.corrupted
    assert row["harm"] == pytest.approx(lost[bad].mean() - lost[good].mean(), abs=0.02)
    assert row["harm_corrupted"] == pytest.approx(lost[bad].mean())
    seen = views.of("E", MEMBER)
    proxy = ((seen.value - seen.advised) / 2)[bad].mean()
    assert row["expert_harm_corrupted"] == pytest.approx(proxy, abs=1e-6)


def test_without_an_engine_the_rest_is_there(chess_run, tmp_path):
    engine = EngineConfig(str(tmp_path / "nowhere"))
    found = evaluate.evaluate(chess_run, _settings(chess_run, quality_games=2), engine)
    assert len(found.notes) == 1 and "nowhere: no such engine" in found.notes[0]
