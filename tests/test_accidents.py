"""Torn checkpoints, and runs and sweeps that go on after accidents."""

import pathlib
import shutil
import signal
import time

import numpy as np
import pytest
from damage import TORN, cut, flipped, nulled, torn_rows
from helpers import SMALL, rows_without_time, small
from orbax.checkpoint import v1 as ocp

import sandwich_jax
from sandwich_jax import arena, grid
from sandwich_jax.evaluation import evaluate, work
from sandwich_jax.folders import checkpoints, places, store
from sandwich_jax.machine import preempt
from sandwich_jax.running import run_folder, sweep_folder
from sandwich_jax.running.match_book import MatchBook
from sandwich_jax.types import SettingError

TREE = {"w": np.arange(6000, dtype=np.float32).reshape(60, 100), "n": np.int32(7)}
ONE = {"p": (0.5,), "control": False}


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


def _resumed(finished, tmp_path, capfd, damage) -> str:
    """Goes on with a damaged copy; its rows are as they were. Returns what was told."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (folder / "learning_curves.png").unlink()
    damage(folder)
    capfd.readouterr()
    sandwich_jax.run(small(**ONE), folder, wandb="disabled")
    assert rows_without_time(folder) == rows_without_time(finished)
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
    assert "rows.jsonl: line 2" in _resumed(finished, tmp_path, capfd, torn_rows)


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
    assert result.rows[0]["elo_gain"] == rows_without_time(finished)[-1]["elo_gain"]


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
    assert rows_without_time(folder) == rows_without_time(whole)
    phase = [store.read_json(place / "phase.json") for place in (folder, whole)]
    assert phase[0] == phase[1]


def test_an_evaluation_of_nothing_is_refused(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "rows.jsonl").unlink()
    with pytest.raises(SettingError, match=r"nothing could be measured.*no whole row in rows\.j"):
        evaluate.evaluate(tmp_path / "run")
