"""Torn checkpoints, damaged files of a run, Ctrl-C, and machines without what was asked for."""

import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
import types

import jax
import numpy as np
import pytest
from helpers import SMALL, small
from orbax.checkpoint import v1 as ocp
from report_folder import sweep as invented

import sandwich_jax
from sandwich_jax import arena, arrays, grid
from sandwich_jax.evaluation import evaluate, work
from sandwich_jax.evaluation.ledger import Ledger
from sandwich_jax.folders import checkpoints, log, places, store
from sandwich_jax.folders.alone import alone
from sandwich_jax.machine import cluster, devices, display, preempt
from sandwich_jax.machine.screen import Screen
from sandwich_jax.members import Config
from sandwich_jax.running import interactive, run_folder, sweep_folder
from sandwich_jax.running.match_book import MatchBook
from sandwich_jax.training import bank
from sandwich_jax.types import SettingError

TREE = {"w": np.arange(6000, dtype=np.float32).reshape(60, 100), "n": np.int32(7)}
ONE = {"p": (0.5,), "control": False}


def _largest(place: pathlib.Path) -> pathlib.Path:
    files = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def _write(path: pathlib.Path, data: bytes) -> None:
    """In place of a file, which may be the shipped zoo's by another name."""
    path.unlink()
    path.write_bytes(data)


def cut(place: pathlib.Path) -> None:
    path = _largest(place)
    _write(path, path.read_bytes()[: path.stat().st_size // 2])


def emptied(place: pathlib.Path) -> None:
    _write(_largest(place), b"")


def nulled(place: pathlib.Path) -> None:
    path = _largest(place)
    _write(path, bytes(path.stat().st_size))


def lost(place: pathlib.Path) -> None:
    if place.is_dir():
        _largest(place).unlink()
    else:  # a file that is gone is no checkpoint; one that is a folder is a torn one
        place.unlink()
        place.mkdir()


def flipped(place: pathlib.Path) -> None:
    path = _largest(place)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    _write(path, data)


TORN = (cut, emptied, nulled, lost, flipped)


# --- checkpoints --------------------------------------------------------------------------------


class _Now:
    """An executor that does not wait."""

    def submit(self, call, *arguments):
        call(*arguments)


def _saver(kind: str, folder: pathlib.Path) -> checkpoints.Numbered:
    if kind == "run":
        return checkpoints.Checkpoints(folder)
    return checkpoints.Background(folder, _Now())  # pyright: ignore


@pytest.fixture(scope="module", params=["run", "member"])
def saved(request, tmp_path_factory):
    """Two checkpoints, of a run or of a sweep's member."""
    folder = tmp_path_factory.mktemp("saved")
    saver = _saver(request.param, folder)
    for number in (2, 3):
        saver.save(number, TREE | {"n": np.int32(number)})
    return request.param, folder


def _newest(folder: pathlib.Path) -> pathlib.Path:
    return max(folder.glob("0*"))


@pytest.mark.parametrize("torn", TORN)
def test_the_last_whole_checkpoint_is_gone_back_to(saved, tmp_path, capfd, torn):
    kind, folder = saved
    shutil.copytree(folder, tmp_path / "c")
    torn(_newest(tmp_path / "c"))
    number, tree = _saver(kind, tmp_path / "c").latest(TREE)  # pyright: ignore
    assert number == 2 and tree["n"] == 2
    np.testing.assert_array_equal(tree["w"], TREE["w"])
    # The library that reads them would complain in many lines, also from its own threads.
    (told,) = capfd.readouterr().err.strip().splitlines()
    assert "00000003" in told and told.endswith("going on from checkpoint 2.")
    # The torn one is replaced when its turn comes, and the other is kept.
    saver = _saver(kind, tmp_path / "c")
    saver.save(3, TREE)
    found = saver.latest(TREE)
    assert found and found[0] == 3 and saver.numbers() == [2, 3]


@pytest.mark.parametrize("torn", TORN)
def test_where_none_is_whole_the_remedy_is_told_and_nothing_is_lost(saved, tmp_path, torn):
    kind, folder = saved
    shutil.copytree(folder, tmp_path / "c")
    for place in sorted((tmp_path / "c").glob("0*")):
        torn(place)
    before = sorted((tmp_path / "c").rglob("*"))
    with pytest.raises(SettingError, match=r"00000003.*cannot be used.*remove .*c to begin again"):
        _saver(kind, tmp_path / "c").latest(TREE)
    assert sorted((tmp_path / "c").rglob("*")) == before


def test_every_file_of_a_checkpoint_is_held_against_what_was_written(tmp_path):
    for number in (2, 3):
        _saver("run", tmp_path / "whole").save(number, TREE)
    files = [p for p in _newest(tmp_path / "whole").rglob("*") if p.is_file()]
    assert len(files) > 5
    for number, path in enumerate(files):
        place = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", place)
        target = place / path.relative_to(tmp_path / "whole")
        data = bytearray(target.read_bytes() or b"x")
        data[-1] ^= 1
        target.write_bytes(data)
        found = _saver("run", place).latest(TREE)
        assert found and found[0] == 2


def test_no_checkpoint_is_none(tmp_path):
    assert _saver("run", tmp_path / "a").latest(TREE) is None
    assert _saver("member", tmp_path / "a").latest(TREE) is None


def test_ctrl_c_waits_until_a_checkpoint_is_written(tmp_path, monkeypatch):
    write = ocp.save

    def interrupted(*arguments, **settings):
        signal.raise_signal(signal.SIGINT)
        write(*arguments, **settings)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(ocp, "save", interrupted)
    saver = _saver("run", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        saver.save(1, TREE)
    found = saver.latest(TREE)
    assert found and found[0] == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_fails_in_a_held_block_goes_on():
    with pytest.raises(ZeroDivisionError), preempt.held():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# --- runs ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of one member, two rounds."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    sandwich_jax.run(small(**ONE), folder, wandb="disabled")
    return folder


def _rows(folder: pathlib.Path) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def _torn_rows(folder: pathlib.Path) -> None:
    path = folder / "rows.jsonl"
    path.write_bytes(path.read_bytes()[:-30])


def _resumed(finished, tmp_path, capfd, damage) -> str:
    """Goes on with a damaged copy; its rows are as they were. Returns what was told."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (folder / "learning_curves.png").unlink()
    damage(folder)
    capfd.readouterr()
    sandwich_jax.run(small(**ONE), folder, wandb="disabled")
    assert _rows(folder) == _rows(finished)
    (told,) = capfd.readouterr().err.strip().splitlines()
    assert told.endswith("going on from checkpoint 1.")
    return told


@pytest.mark.parametrize(
    "torn", [flipped, *(pytest.param(t, marks=pytest.mark.slow) for t in TORN if t is not flipped)]
)
def test_a_run_with_a_torn_checkpoint_ends_as_one_without(finished, tmp_path, capfd, torn):
    told = _resumed(
        finished, tmp_path, capfd, lambda folder: torn(folder / "checkpoints" / "00000002")
    )
    assert "00000002" in told


@pytest.mark.slow
def test_rows_that_are_torn_are_played_again(finished, tmp_path, capfd):
    assert "rows.jsonl: line 2" in _resumed(finished, tmp_path, capfd, _torn_rows)


@pytest.mark.parametrize("damage", ["NUL", "gone", "3", '{"round": 1}'])
def test_checkpoints_without_their_rows_have_no_use(finished, tmp_path, damage):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (folder / "learning_curves.png").unlink()
    path = folder / "rows.jsonl"
    path.unlink()
    if damage != "gone":
        path.write_bytes(bytes(900) if damage == "NUL" else damage.encode() + b"\n")
    before = sorted(folder.rglob("*"))
    with pytest.raises(SettingError, match=r"rows\.jsonl.*checkpoints 2 and 1.*remove .*to begin"):
        sandwich_jax.run(small(**ONE), folder, wandb="disabled")
    assert sorted(folder.rglob("*")) == before


def test_what_is_damaged_of_a_finished_run_is_found(finished, tmp_path):
    config = small(**ONE)
    for number, name in enumerate(
        ("rows.jsonl", "arena/final.npz", "networks/*/params.npz", "networks/*/network.json")
    ):
        folder = tmp_path / str(number)
        shutil.copytree(finished, folder)
        (path,) = folder.glob(name)
        cut(path)
        with pytest.raises(SettingError, match=path.name):
            run_folder._read_result(folder, config)
    np.savez(tmp_path / "0" / "arena" / "final.npz", moves=np.zeros((2, 3)))
    with pytest.raises(SettingError, match="holds no points"):
        places.points_of(tmp_path / "0")


@pytest.mark.slow
def test_a_finished_run_that_was_damaged_is_mended(finished, tmp_path, capfd):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    cut(folder / "arena" / "final.npz")
    result = sandwich_jax.run(small(**ONE), folder, wandb="disabled")
    (told,) = capfd.readouterr().err.strip().splitlines()
    assert "final.npz: missing or damaged" in told
    assert places.points_of(folder).keys() == places.points_of(finished).keys()
    assert result.rows[0]["elo_gain"] == _rows(finished)[-1]["elo_gain"]


@pytest.mark.parametrize("text", ["null", "[]", "3", '{"config": [1]}', '{"config"', "\0" * 40])
def test_a_damaged_manifest_is_told(finished, tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    for call in (
        lambda: run_folder.claim(tmp_path, small(**ONE)),
        lambda: sandwich_jax.run(small(controls=("benign",)), tmp_path, wandb="disabled"),
        lambda: sweep_folder._claim(tmp_path, {"p": [0.5]}),
        lambda: work.open_run(tmp_path),
    ):
        with pytest.raises(
            SettingError, match=r"manifest\.json|holds a run, not a sweep"
        ) as caught:
            call()
        assert "\n" not in str(caught.value)


# --- sweeps -------------------------------------------------------------------------------------


GRID = {k: v for k, v in SMALL.items() if k != "p"} | {"p": [0.2, 0.8], "control": False}


def test_a_member_whose_last_matches_are_damaged_plays_again(finished, tmp_path, capfd):
    parts = grid.parse(GRID)
    for part in parts:
        shutil.copytree(finished, places.member_folder(tmp_path, part))
    cut(places.member_folder(tmp_path, parts[1]) / "arena" / "final.npz")
    sweep_folder._forget_damaged(tmp_path, parts)
    assert [places.is_done(tmp_path, part) for part in parts] == [True, False]
    (told,) = capfd.readouterr().err.strip().splitlines()
    assert "final.npz: missing or damaged" in told and told.endswith("played again.")


def test_a_damaged_match_of_several_members_is_played_again(tmp_path, capfd):
    book, points = MatchBook(tmp_path / "arena"), np.ones((2, 2))
    book.keep(("a", "b"), arena.Scores(points, points, points > 2, np.zeros((0, 2, 2))))
    found = book.find(("a", "b"))
    assert found and np.array_equal(found.points, points)
    (path,) = (tmp_path / "arena").iterdir()
    for damage in (cut, nulled):
        damage(path)
        book = MatchBook(tmp_path / "arena")
        assert book.find(("a", "b")) is book.find(("a", "b")) is None
        assert capfd.readouterr().err.count("this match is played again.") == 1
    np.savez(path, strange=points)
    assert book.find(("a", "b")) is None


@pytest.mark.slow
def test_a_sweep_after_many_accidents_ends_as_one_without(tmp_path, capfd):
    settings = GRID
    whole, folder = tmp_path / "whole", tmp_path / "killed"

    def copied(done, total, text):
        """As a machine would be left that was lost in round 2."""
        if "round 2" in text and not folder.exists():
            while not list(whole.glob("members/*/checkpoints/0*.npz")):
                time.sleep(0.01)  # it is written meanwhile
            shutil.copytree(whole, folder)

    sweep_folder.run(settings, whole, wandb="disabled", progress=copied)
    # As after a checkpoint of round 2, which is torn, and so is its row, of each member at play.
    lost = list(folder.glob("members/*/checkpoints/0*.npz"))
    for kept in lost:
        torn = kept.with_name("00000002.npz")
        shutil.copy(kept, torn)
        nulled(torn)
        with (kept.parents[1] / "rows.jsonl").open("a") as file:
            file.write('{"round": 2, "mem')
    cut(min((folder / "arena").glob("*.npz")))
    (folder / "rows.jsonl").write_bytes(bytes(100))
    capfd.readouterr()
    sweep_folder.run(settings, folder, wandb="disabled")
    told = capfd.readouterr().err.strip().splitlines()
    assert sum("going on from checkpoint 1." in line for line in told) == len(lost) > 0
    assert sum("this match is played again." in line for line in told) == 1
    assert len(told) == len(lost) + 1
    assert _rows(folder) == _rows(whole)
    phase = [store.read_json(place / "phase.json") for place in (folder, whole)]
    assert phase[0] == phase[1]


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [*TORN, "text", "none", "objects"])
def test_a_damaged_npz_is_one_sentence(tmp_path, damage):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(100), b=np.ones((3, 4)))
    if damage == "text":
        path.write_text("no archive")
    elif damage == "none":
        path.unlink()
    elif damage == "objects":
        np.savez(path, a=np.asarray([{}], object))
    else:
        damage(path)
    with pytest.raises(
        SettingError, match=r"a\.npz: missing or damaged \(.+\); make it\.$"
    ) as told:
        arrays.read(path, "make it")
    assert "\n" not in str(told.value)


def test_any_byte_of_an_npz_may_be_wrong(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(8, dtype=np.int16), b=np.float32(1))
    data, outcomes = path.read_bytes(), set()
    for place in range(len(data)):
        for bit in (place % 8, 7):
            wrong = bytearray(data)
            wrong[place] ^= 1 << bit
            path.write_bytes(wrong)
            try:  # what is read is what was written; dates and the like have no checksum
                found = arrays.read(path)
                assert np.array_equal(next(iter(found.values())), np.arange(8))
                outcomes.add("read")
            except SettingError:
                outcomes.add("told")
    assert outcomes == {"read", "told"}


def test_a_bank_that_is_damaged_may_be_removed(tmp_path):
    np.savez(tmp_path / "bank.npz", a=np.ones(3))
    with pytest.raises(SettingError, match="remove it, and it is made again"):
        bank.load(tmp_path / "bank.npz")


@pytest.mark.parametrize(
    ("text", "rows", "says"),
    [
        (b'{"a": 1}\n\n{"a": 2}\n', 2, ""),
        (b'{"a": 1}\n{"a": 2}', 2, ""),
        (b'{"a": 1}\n{"a": \n', 1, "line 2 is not a whole row"),
        (b'{"a": 1}\n3\nnull\n', 1, r"line 2 \(and 1 more\) is not"),
        (b'{"a": 1}\n' + bytes(50), 1, "line 2 is not"),
        (b"\xff\xfe{\n", 0, "line 1 is not"),
        (b"[" * 100_000 + b"\n", 0, "line 1 is not"),
    ],
)
def test_lines_that_are_whole_are_read_and_others_told(tmp_path, text, rows, says):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(text)
    found = log.lines_of(path)
    assert len(found.rows) == rows and bool(found.damage) == bool(says)
    if says:
        with pytest.raises(SettingError, match=rf"rows\.jsonl: {says}"):
            log.read_rows(path)


def test_rows_that_cannot_be_read_are_told(tmp_path):
    assert log.lines_of(tmp_path / "none.jsonl") == ([], "")
    assert "it cannot be read" in log.lines_of(tmp_path).damage


@pytest.mark.parametrize(
    "card",
    ["null", "[]", '{"game": 3, "network": {}}', '{"game": "chess", "network": {"width": "32"}}',
     '{"game": "chess", "network": {"width": 1e9}}', '{"game": "chess", "network": {}, "about": 3}',
     '{"game": "chess", "network": null}', '{"game": "chess", "network": {"wdith": 32}}'],
)  # fmt: skip
def test_a_damaged_card_is_told(tmp_path, card):
    (tmp_path / "network.json").write_text(card)
    with pytest.raises(SettingError, match=r"network\.json"):
        store.read_card(tmp_path)


def test_an_evaluation_leaves_out_what_is_damaged(tmp_path):
    run = min((invented(tmp_path / "s", strengths=1, rounds=2) / "members").iterdir())
    (network,) = (run / "networks").iterdir()
    cut(network / "params.npz")
    _torn_rows(run)
    with (run / "evaluation.jsonl").open("a") as file:
        file.write('{"measure": "calibration", "subject": "x", "network": "W", "ece": "low"}\n')
    notes: list[str] = []
    found = work.open_run(run, notes)
    assert set(found.networks) == {"W", "E"} and len(found.rows) == 1 and found.games
    ledger = Ledger(run, notes)
    assert ledger.rows and not any(row["subject"] == "x" for row in ledger.rows)
    assert len(notes) == 3 and all("\n" not in note for note in notes)
    for name, note in zip(("params.npz", "rows.jsonl", "evaluation.jsonl"), notes, strict=True):
        assert name in note


def test_an_evaluation_of_nothing_is_refused(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "rows.jsonl").unlink()
    with pytest.raises(SettingError, match=r"nothing could be measured.*no whole row in rows\.j"):
        evaluate.evaluate(tmp_path / "run")


# --- from Python --------------------------------------------------------------------------------


def test_settings_errors_show_the_callers_line_and_no_insides(tmp_path):
    with pytest.raises(SettingError, match="Unknown player 'somebody'") as caught:
        sandwich_jax.run(small(expert="somebody"), tmp_path / "run", wandb="disabled")
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert len(frames) == 2 and caught.value.__suppress_context__


def test_ctrl_c_shows_the_callers_line_and_no_insides(tmp_path, monkeypatch):
    def interrupted(*arguments, **settings):
        try:
            raise ValueError("something inside")
        except ValueError:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(run_folder, "run", interrupted)
    with pytest.raises(KeyboardInterrupt, match="the same call goes on") as caught:
        sandwich_jax.run(small(), tmp_path / "run", wandb="disabled")
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert len(frames) == 2 and caught.value.__suppress_context__


def _watched(monkeypatch, **settings) -> str:
    """What a run from Python shows on such a console."""
    screen = io.StringIO()
    monkeypatch.setattr(display, "Screen", lambda **own: Screen(file=screen, **settings))

    def run(config, folder, *, wandb, progress, pause):
        progress(1.0, 4.0, "round 1 of 4")

    monkeypatch.setattr(run_folder, "run", run)
    interactive.run(Config())
    return screen.getvalue()


def test_progress_is_shown_in_a_terminal_and_nowhere_else(monkeypatch):
    assert "round 1 of 4" in _watched(monkeypatch, force_terminal=True, width=100)
    assert _watched(monkeypatch, force_terminal=False) == ""


def test_progress_is_shown_in_a_notebook(monkeypatch):
    shown = []

    class Handle:
        def update(self, line, raw):
            shown.append(line)

    def show(line, raw, display_id):
        shown.append(line)
        return Handle()

    fake = types.SimpleNamespace(display=show)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=fake))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    monkeypatch.setattr(display, "NOTEBOOK_EVERY", 0.0)
    _watched(monkeypatch, force_jupyter=True)
    assert [line["text/plain"] for line in shown] == ["Run: 25%, 0:00 left, round 1 of 4"]
    update = display._Notebook("Run").update
    update(2, 4, "half")
    update(4, 4, "all")
    assert shown[-1] == {"text/plain": "Run: 100%, all"} and len(shown) == 3


# --- the machine --------------------------------------------------------------------------------


@pytest.fixture
def wide():
    """JAX in 64 bits."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def test_the_command_line_computes_in_32_bits(wide, capsys):
    devices.start([])
    assert not jax.config.jax_enable_x64  # pyright: ignore
    assert "JAX_ENABLE_X64 has no effect here" in capsys.readouterr().err


def test_python_in_64_bits_is_refused(wide):
    with pytest.raises(SettingError, match="jax_enable_x64 is on"):
        _ = sandwich_jax.run


@pytest.mark.parametrize("error", [RuntimeError("Unknown backend"), AssertionError()])
def test_absent_devices_are_told(monkeypatch, error):
    def none():
        raise error

    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setattr(devices.jax, "devices", none)
    for call in (devices.check, lambda: devices.start([])):
        with pytest.raises(SettingError, match="no device for JAX_PLATFORMS=cuda"):
            call()


@pytest.mark.parametrize("platform", ["cuda", "abacus"])
def test_absent_devices_end_a_command_in_one_sentence(platform):
    command = [sys.executable, "-m", "sandwich_jax.cli", "report", "x"]
    env = os.environ | {"JAX_PLATFORMS": platform}
    ended = subprocess.run(command, capture_output=True, text=True, env=env)
    assert ended.returncode == 2 and len(ended.stderr.strip().splitlines()) == 1
    assert f"JAX_PLATFORMS={platform}" in ended.stderr


def test_a_machine_without_a_cluster_is_told_what_to_give():
    with pytest.raises(SettingError, match=r"--coordinator HOST:PORT.*--processes N.*--process-id"):
        cluster.join_if_asked(["sweep", "a.toml", "--distributed"])


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--coordinator a:1", "go together"),
        ("--processes 2 --process-id 0", "go together"),
        ("--coordinator", "finds no cluster"),
        ("--coordinator a --processes 2 --process-id 0", "coordinator is 'a'"),
        ("--coordinator a:b --processes 2 --process-id 0", "coordinator is 'a:b'"),
        ("--coordinator a:99999 --processes 2 --process-id 0", "coordinator is 'a:99999'"),
        ("--coordinator a:1 --processes two --process-id 0", "processes is 'two'"),
        ("--coordinator a:1 --processes 2 --process-id -1", "go together|process-id is"),
        ("--coordinator a:1 --processes=2 --process_id=2", "2 of 2 processes: choose 0 to 1"),
        ("--coordinator a:1 --processes 0 --process-id 0", "processes is 0"),
    ],
)
def test_numbers_that_make_no_cluster_are_told(flags, says):
    with pytest.raises(SettingError, match=says) as caught:
        cluster.join_if_asked(["sweep", "a.toml", "--distributed", *flags.split()])
    assert "\n" not in str(caught.value)


def test_processes_that_cannot_meet_are_told(monkeypatch, capsys):
    monkeypatch.setattr(cluster, "MEETING", 0.0)
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingError, match="process 0 cannot listen there"):
            cluster._meet(f"localhost:{port}", 2, 0)
        cluster._meet(f"localhost:{port}", 2, 1)
    with pytest.raises(SettingError, match="nobody answers there"):
        cluster._meet(f"localhost:{port}", 2, 1)
    with pytest.raises(SettingError, match="there is no such host"):
        cluster._meet("nowhere.invalid:1234", 2, 1)
    cluster._meet(f"localhost:{port}", 2, 0)


# --- Weights & Biases ---------------------------------------------------------------------------


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """Somebody without an account."""
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_wandb_without_a_key_is_told_before_any_work(nobody, tmp_path):
    for call in (
        lambda: sandwich_jax.run(small(), tmp_path / "run", wandb="online"),
        lambda: sweep_folder.run({"p": [0.5]}, tmp_path / "run", wandb="online"),
    ):
        with pytest.raises(SettingError, match=r"wandb login.*--wandb offline") as caught:
            call()
        assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


def test_a_key_that_is_none_is_told(nobody, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "short")
    with pytest.raises(SettingError, match=r"wandb is online.*invalid"):
        log.check_wandb("online")
    log.check_wandb("offline")
    log.check_wandb("disabled")


def test_wandb_that_cannot_be_reached_is_told(monkeypatch, tmp_path):
    def unreachable(**settings):
        raise log.wandb.errors.CommError("Timed out while retrying\nConsider increasing ...")

    monkeypatch.setattr(log.wandb, "init", unreachable)
    with pytest.raises(SettingError, match=r"cannot be used.*wandb sync") as caught:
        log.WandbRuns(tmp_path, "online").log("a", {}, {"round": 1})
    assert "\n" not in str(caught.value)


def test_the_second_at_work_in_a_folder_is_refused(tmp_path):
    """Also the second of two threads: each opens the folder for itself."""
    told = []

    def twice() -> None:
        with pytest.raises(SettingError, match="another process is at work there") as caught:
            interactive.run(small(), tmp_path / "run", wandb="disabled")
        told.append(str(caught.value))

    with alone(tmp_path / "run"):
        twice()
    assert len(told) == 1 and "choose another folder" in told[0]
    with alone(tmp_path / "run"), alone(tmp_path / "run", wanted=False):
        pass
