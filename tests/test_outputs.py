"""Output paths: tried before any work, never an input, and results are shown come what may."""

import errno
import io
import json
import os
import pathlib

import numpy as np
import pytest
from helpers import pgn
from report_folder import sweep
from rich.console import Console

from sandwich_jax import arena, cli, outputs
from sandwich_jax.evaluation import evaluate, position_sets, solving
from sandwich_jax.folders import store
from sandwich_jax.measures.puzzles import Puzzles
from sandwich_jax.players import human, matches, spelled
from sandwich_jax.training import corpus, corpus_file
from sandwich_jax.types import SettingError

PUZZLE = "PuzzleId,FEN,Moves,Rating\na,6k1/5ppp/8/8/8/8/5PPP/3R2K1 b - - 0 1,g8f8 d1d8,900\n"


def refusal(capsys, *arguments) -> str:
    """The one sentence that a command ends with."""
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert stopped.value.code == 2
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("sandwich-jax: ")
    return lines[0]


def _tree(folder):
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.fixture
def keys(monkeypatch):
    """A keyboard at which nobody sits."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))


@pytest.fixture
def place(tmp_path):
    """A folder with a file, a folder, and links to both and to nothing."""
    (tmp_path / "file").write_text("of worth")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to-file").symlink_to(tmp_path / "file")
    (tmp_path / "to-nothing").symlink_to(tmp_path / "gone" / "away")
    return tmp_path


BAD_FILES = {
    "folder": "is a folder",
    "file/below": "cannot be written",
    "file/far/below": "cannot be written",
    "n" * 300: "too long",
    "new/" + "n" * 300: "too long",
    "/proc/nothing.jsonl": "cannot be written",
    "": "is a folder",
    "nul\0": "null byte",
}


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize(("path", "says"), BAD_FILES.items())
def test_a_file_that_cannot_be_written_is_told(place, path, says, append):
    before = _tree(place)
    with pytest.raises(SettingError, match=says) as caught:
        outputs.check_file(place / path, append=append)
    assert "\n" not in str(caught.value) and "--out" in str(caught.value)
    assert _tree(place) == before


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("path", ["new", "new/far/away", "file", "to-file"])
def test_a_file_that_can_be_written_is_left_as_it_is(place, path, append):
    before = _tree(place)
    outputs.check_file(place / path, append=append)
    assert _tree(place) == before


def test_a_device_may_be_added_to_but_not_replaced():
    outputs.check_file(pathlib.Path("/dev/null"), append=True)
    with pytest.raises(SettingError, match="no ordinary file"):
        outputs.check_file(pathlib.Path("/dev/null"))


def test_a_file_that_is_protected_is_not_replaced(place, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(SettingError, match="not to be written to"):
        outputs.check_file(place / "file")


@pytest.mark.parametrize("spelled", ["file", "folder/../file", "to-file", "hard"])
def test_an_input_is_refused_however_it_is_spelled(place, spelled):
    os.link(place / "file", place / "hard")
    with pytest.raises(SettingError, match="is an input of this command"):
        outputs.check_file(place / spelled, [place / "gone", place / "file"])


@pytest.mark.parametrize(
    ("path", "says"),
    [("file", "is a file"), ("file/below", "cannot be written to"), ("n" * 300, "too long"),
     ("to-nothing", "cannot be written to"), ("/proc/runs", "cannot be written to")],
)  # fmt: skip
def test_a_folder_that_cannot_be_written_to_is_told(place, path, says):
    before = _tree(place)
    with pytest.raises(SettingError, match=says):
        outputs.check_folder(place / path)
    assert _tree(place) == before


@pytest.mark.parametrize("path", ["folder", "new", "new/far/away"])
def test_a_folder_that_can_be_written_to_is_left_as_it_is(place, path):
    before = _tree(place)
    outputs.check_folder(place / path)
    assert _tree(place) == before


# What else these commands are given is not there: the path is looked at before that.
WRITES_A_FILE = {
    "match": ("match", "ckpt:gone", "zoo:weak", "--out"),
    "elo": ("elo", "ckpt:gone", "zoo:weak", "--out"),
    "puzzles": ("puzzles", "random", "--file", "gone.csv", "--out"),
    "shift": ("shift", "ckpt:gone", "zoo:weak", "--out"),
    "report": ("report", "gone", "--out"),
    "play": ("play", "ckpt:gone", "--pgn"),
}
WRITES_A_FOLDER = {
    "pretrain": ("pretrain", "--role", "weak", "--games", 1, "--steps", 1, "--corpus", "gone.npz",
                 "--out"),
    "train-saboteur": ("train-saboteur", "--corpus", "gone.npz", "--out"),
    "run": ("run", "--expert", "ckpt:gone", "--out"),
}  # fmt: skip


@pytest.mark.parametrize("verb", WRITES_A_FILE)
def test_commands_try_their_file_before_all_else(place, capsys, keys, verb):
    for path in ("folder", "file/below", "n" * 300):
        assert str(place / path) in refusal(capsys, *WRITES_A_FILE[verb], place / path)


@pytest.mark.parametrize("verb", WRITES_A_FOLDER)
def test_commands_try_their_folder_before_all_else(place, capsys, verb):
    for path in ("file", "file/below", "n" * 300):
        assert str(place / path) in refusal(capsys, *WRITES_A_FOLDER[verb], place / path)


def test_corpus_and_sweep_try_their_path_before_all_else(place, capsys):
    (place / "games.pgn").write_text(pgn("e4 e5"))
    (place / "grid.toml").write_text("p = [0.5]\nexpert = 'ckpt:gone'\n")
    for path in ("folder", "file/below", "n" * 300):
        command = ("corpus", "build", place / "games.pgn", "--out", place / path)
        assert str(place / path) in refusal(capsys, *command)
    for path in ("file", "file/below", "n" * 300):
        command = ("sweep", place / "grid.toml", "--out", place / path)
        assert str(place / path) in refusal(capsys, *command)


def test_a_page_where_figures_cannot_lie(tmp_path, capsys):
    run = min((sweep(tmp_path / "s", strengths=1, rounds=1) / "members").iterdir())
    (tmp_path / "figures").write_text("a file")
    command = ("report", run, "--out", tmp_path / "page.html")
    assert f"{tmp_path / 'figures'} is a file" in refusal(capsys, *command)
    assert not (tmp_path / "page.html").exists()


def test_outputs_that_are_inputs_are_refused(tmp_path, capsys, keys):
    run = min((sweep(tmp_path / "s", strengths=1, rounds=1) / "members").iterdir())
    games, csv = tmp_path / "games.pgn", tmp_path / "puzzles.csv"
    games.write_text(pgn("e4 e5"))
    csv.write_text(PUZZLE)
    net = next((run / "networks").iterdir())
    before = _tree(tmp_path)
    for command, out in (
        (("corpus", "build", games, "--out"), games),
        (("puzzles", "random", "--file", csv, "--out"), csv),
        (("shift", f"ckpt:{net}", "zoo:weak", "--out"), net / "params.npz"),
        (("shift", "zoo:expert", "zoo:weak", "--positions", f"puzzles:{csv}", "--out"), csv),
        (("match", "random", f"ckpt:{net}", "--out"), net / "network.json"),
        (("elo", "random", f"ckpt:{net}", "--out"), net / "params.npz"),
        (("play", f"ckpt:{net}", "--pgn"), net / "params.npz"),
        (("play", f"assisted:ckpt:{net},zoo:expert", "--pgn"), net / "params.npz"),
        (("report", run, "--out"), run / "rows.jsonl"),
    ):
        assert f"{out} is an input" in refusal(capsys, *command, out)
    assert _tree(tmp_path) == before


def test_what_players_and_positions_are_read_from(tmp_path):
    (tmp_path / "games").mkdir()
    (tmp_path / "games" / "a.npz").write_bytes(b"")
    found = spelled.inputs_of("zoo:weak", "assisted:ckpt:a,ckpt:b,p=0.5", "stockfish:nodes=1")
    assert [str(path) for path in found] == [
        "a/network.json", "a/params.npz", "b/network.json", "b/params.npz"
    ]  # fmt: skip
    sets = ["openings", f"run:{tmp_path}", "corpus:c.npz"]
    names = [path.name for path in position_sets.inputs_of(sets)]
    assert names == ["a.npz", "c.npz"]


# --- results are shown come what may ------------------------------------------------------------


@pytest.fixture
def full(monkeypatch):
    """Files open, and nothing can be written to them."""

    def add(self, rows):
        self.failed = os.strerror(errno.EIO)

    monkeypatch.setattr(outputs.Lines, "add", add)


def test_lines_are_added_and_a_failure_is_told_at_the_end(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    with outputs.Lines(path) as lines:
        lines.add([{"a": 1}])
        lines.add([{"a": 2}, {"a": 3}])
    with outputs.Lines(path) as lines:
        lines.add([{"a": 4}])
    assert [json.loads(line)["a"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]
    with path.open("a") as file:
        file.write('{"a": ')  # cut off by an accident
    with outputs.Lines(path) as lines:
        lines.add([{"a": 6}])
    assert path.read_text().splitlines()[-2:] == ['{"a": ', '{"a": 6}']
    shown = []
    told = pytest.raises(SettingError, match=r"rows\.jsonl cannot be written \(.*\); what was")
    with told, outputs.Lines(path) as lines:
        path.unlink()
        path.mkdir()
        lines.add([{"a": 5}])
        shown.append("all that was measured")
    assert shown
    with pytest.raises(ZeroDivisionError), outputs.Lines(tmp_path / "x") as lines:
        lines.failed = "full"
        raise ZeroDivisionError  # which tells more than that


def test_puzzles_are_shown_though_they_cannot_be_written(tmp_path, full, monkeypatch):
    given = Puzzles(("a",), np.asarray([900]), None, np.zeros((1, 2)))
    monkeypatch.setattr(solving.puzzle_file, "read", lambda path, count, seed: given)
    monkeypatch.setattr(solving, "solving", lambda spec, given: iter([np.ones(1, bool)]))
    (tmp_path / "puzzles.csv").write_text(PUZZLE)
    screen = io.StringIO()
    with pytest.raises(SettingError, match="what was measured is shown above"):
        solving.show(
            ["random"], tmp_path / "puzzles.csv", None, 0, tmp_path / "o", Console(file=screen)
        )
    assert "Puzzles solved" in screen.getvalue()


@pytest.mark.parametrize("verb", ["match", "elo"])
def test_matches_are_shown_though_they_cannot_be_written(tmp_path, capsys, full, monkeypatch, verb):
    points = np.tile([[1.0, 0.0], [0.5, 0.5], [0.5, 0.0]], (4, 1))
    scores = arena.Scores(points, points, np.zeros((12, 2), bool), np.zeros((0, 0, 2)))
    monkeypatch.setattr(matches.Hall, "match", lambda hall, a, b, first, count: scores)
    command = [verb, "random", "fresh:1"]
    with pytest.raises(SystemExit) as stopped:
        cli.main([*command, "--out", str(tmp_path / "out")])
    captured = capsys.readouterr()
    assert stopped.value.code == 2 and "random against fresh:1" in captured.out
    assert ("One joint fit" in captured.out) == (verb == "elo")
    assert captured.err.count("cannot be written") == 1


def test_counts_of_a_corpus_are_shown_though_it_cannot_be_written(tmp_path, capsys, monkeypatch):
    def finish(self, stats):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(self.out))

    def played(codes, lengths):
        return np.zeros(len(codes), np.uint16), np.ones(len(lengths), bool)

    monkeypatch.setattr(corpus_file.Writer, "finish", finish)
    monkeypatch.setattr(corpus, "resolve", played)
    (tmp_path / "games.pgn").write_text(pgn("e4 e5") + pgn("d4"))
    command = ["corpus", "build", str(tmp_path / "games.pgn"), "--out", str(tmp_path / "c.npz")]
    with pytest.raises(SystemExit) as stopped:
        cli.main(command)
    captured = capsys.readouterr()
    assert stopped.value.code == 2 and "2  kept" in captured.out
    assert "c.npz cannot be written" in captured.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["games.pgn"]


def test_an_evaluation_is_shown_though_it_cannot_be_written(tmp_path, monkeypatch):
    run = min((sweep(tmp_path / "s", strengths=1, rounds=1) / "members").iterdir())
    (run / "evaluation.jsonl").unlink()

    def no_room(path, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def measured(work, *others):
        work.ledger.once("queries", "somebody", {}, lambda: [{"round": 1, "queries": 3}])

    steps = ("queries_of", "measures_of", "harm_of", "quality_of")
    for name in steps:
        monkeypatch.setattr(evaluate.evaluate_games, name, measured)
    for name in ("puzzles_of", "move_match", "shift_of"):
        monkeypatch.setattr(evaluate.evaluate_networks, name, measured)
    monkeypatch.setattr(evaluate, "_by_engine", measured)
    monkeypatch.setattr(store, "write_text", no_room)
    screen, config = io.StringIO(), evaluate.EvaluateConfig()
    with pytest.raises(SettingError, match=r"evaluation.jsonl cannot be written \(no space left"):
        evaluate.show(run, config, evaluate.DEFAULT_ENGINE, Console(file=screen, width=140))
    assert "Evaluation of" in screen.getvalue()


def test_what_a_command_found_is_shown_before_it_is_told_that_it_is_not_written(tmp_path):
    def call():
        with outputs.keeping("the result", tmp_path / "out"):
            raise OSError(errno.EIO, "Input/output error")

    shown = []
    with pytest.raises(outputs.Unwritten, match=r"out cannot be written \(input/output error\)"):
        outputs.show(call, shown.append)
    assert shown == ["the result"] and outputs.show(lambda: 3, shown.append) == 3


class _Player:
    """Of `human`: it never has to move here."""

    def close(self) -> None:
        pass


@pytest.mark.parametrize("ends", ["written", "not written", "interrupted"])
def test_a_game_is_not_lost(tmp_path, monkeypatch, ends):
    def no_room(path, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def cut_off(self, lines):
        raise KeyboardInterrupt

    class Table:
        def __init__(self, spec, config, console):
            self.opponent = _Player()
            self.record = human.Record(human.chess.Board(), [])

        def run(self, lines):
            if ends == "interrupted":
                raise KeyboardInterrupt

        def annotated(self, spec):
            return human.AnnotatedGame("the game", "1", "human", spec, "*", (), ())

    monkeypatch.setattr(human, "_Game", Table)
    if ends == "not written":
        monkeypatch.setattr(store, "write_text", no_room)
    screen, path = io.StringIO(), tmp_path / "game.pgn"
    raised = {"written": None, "not written": SettingError, "interrupted": KeyboardInterrupt}[ends]
    config, console = human.GameConfig(pgn=path), Console(file=screen)
    if raised is None:
        human.sit_down("random", config, iter(()), console)
    else:
        with pytest.raises(raised):
            human.sit_down("random", config, iter(()), console)
    kept = screen.getvalue() if ends == "not written" else path.read_text()
    assert '[Event "the game"]' in kept
