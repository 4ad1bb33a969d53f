"""The command for a bare machine: rows, failures, what is carried."""

import dataclasses
import json
import pathlib
import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest

from sandwich_jax import grid
from sandwich_jax.folders import log
from sandwich_jax.members import Config
from scripts import on_accelerator
from scripts.accelerator import ahead, measure, page, parity, speed, train
from scripts.accelerator.stages import Stages
from scripts.gpu_check import costs

ROOT = pathlib.Path(__file__).parents[1]


def _rows(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


# --- stages --------------------------------------------------------------------------------------


def test_a_stage_that_fails_is_a_row_and_the_next_goes_on(capsys, tmp_path):
    def broken():
        yield {"what": "before"}
        raise RuntimeError("no such kernel\nand more")

    stages = Stages(60, tmp_path)
    assert not stages.run("one", broken)
    assert stages.run("two", lambda: [{"what": "after"}])
    rows = _rows(capsys.readouterr().out)
    assert [row["stage"] for row in rows] == ["one", "one", "two"]
    assert rows[1]["failed"] == "RuntimeError: no such kernel"
    assert any("no such kernel" in line for line in rows[1]["traceback"])
    assert stages.failed == ["one"]
    assert _rows((tmp_path / "rows.jsonl").read_text()) == rows


def test_no_stage_begins_without_the_time_that_it_needs(capsys):
    stages = Stages(60)
    assert not stages.run("long", lambda: [{}], needs=1e6)
    assert "skipped" in _rows(capsys.readouterr().out)[0]
    assert not stages.failed


def test_a_row_is_told_before_the_next_is_made(capsys):
    seen = []

    def stage():
        yield {"what": 1}
        seen.append(capsys.readouterr().out)
        yield {"what": 2}

    Stages(60).run("any", stage)
    assert _rows(seen[0])[0]["what"] == 1


def test_what_is_worth_most_is_measured_first(capsys, monkeypatch):
    """Every stage fails, and none keeps the others from being tried."""

    def fails(*_, **__):
        raise ValueError("not here")

    for module, names in (
        (speed, ("board", "self_play", "updates", "convolutions", "members")),
        (parity, ("chess", "logits", "identities")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, fails)
    measure.run(Stages(60), toy=False)
    rows = _rows(capsys.readouterr().out)
    order = list(dict.fromkeys(row["stage"] for row in rows))
    assert order == [
        "machine", "board", "parity", "self-play", "updates", "members", "convolutions",
    ]  # fmt: skip
    sizes = speed.Sizes()
    lists = [value for value in dataclasses.asdict(sizes).values() if isinstance(value, tuple)]
    assert len(rows) == 1 + 3 + sum(map(len, lists))
    assert all(row["failed"] == "ValueError: not here" for row in rows[1:])
    assert rows[0]["versions"]["jax"] == jax.__version__


# --- what is measured ----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_chess_is_played_here_and_there():
    (row,) = parity.chess(parity.Sizes(games=4, plies=3))
    assert row["equal"] and row["positions"] == 12 and row["numbers that differ"] == 0


def test_every_number_that_differs_counts():
    here = {"words": np.arange(6).reshape(2, 3), "result": np.array([1.0, -1.0])}
    there = {"words": here["words"] % 4, "result": np.array([1.0, 0.0])}
    assert parity._differing(here, here) == 0
    assert parity._differing(here, there) == 2 + 1


def test_floors_are_scaled_to_lanes_and_device(monkeypatch):
    kept = {"programs": {"selfplay/base/4096": {"floor_us": 1000.0}}}
    monkeypatch.setattr(speed.figures, "read", lambda path: kept)
    h100, h200 = speed.peak_of("NVIDIA H100 80GB HBM3"), speed.peak_of("NVIDIA H200")
    assert speed.floor_of("base", 8192, h100) == pytest.approx(2e-3)
    assert speed.floor_of("base", 4096, h200) == pytest.approx(1e-3 * 3.35 / 4.8)
    assert speed.floor_of("tiny", 4096, h100) is None
    assert speed.floor_of("base", 4096, speed.peak_of("cpu")) is None
    assert isinstance(h100, costs.Peak)


# --- compiling ahead -----------------------------------------------------------------------------


def test_every_stage_is_in_one_share(capsys, monkeypatch):
    tried = []

    def stages_of(same, sizes):
        assert sizes.repeats == 1  # as shortly as can be
        return [(str(i), lambda i=i: tried.append(i) or []) for i in range(7)]

    monkeypatch.setattr(measure, "stages_of", stages_of)
    for first in range(3):
        measure.run(Stages(60), toy=True, share=(first, 3))
    assert sorted(tried) == list(range(7))
    assert not capsys.readouterr().out


def test_processes_are_stopped_when_the_time_is_up():
    code = "import os, sys, time; assert os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'] == 'false'"
    quick = ["-c", f"{code}; sys.exit(int(sys.argv[2][0]))"]
    assert ahead.compile_side_by_side(quick, 600, 2) == [0, 1]
    slow = ["-c", "import time; time.sleep(1000)"]
    assert ahead.compile_side_by_side(slow, 0, 2) == [None, None]


def test_few_processors_compile_nothing_ahead(monkeypatch):
    for cores, processes in ((2, 0), (16, 6), (8, 4)):
        monkeypatch.setattr(ahead.os, "sched_getaffinity", lambda _, n=cores: set(range(n)))
        assert ahead.shares() == processes


# --- training ------------------------------------------------------------------------------------


def _kept(p: float, **row) -> train.Kept:
    (part,) = grid.parse({"misalignment": "random_move", "p": [p], "control": False})
    kept = train.Kept(part, Stages(60))
    kept.row = {"protocol": "always_follow", "p": p, "round": 2, "pgr": 0.5, "elo_gain": 10.0,
                "e_elo": 300.0} | row  # fmt: skip
    return kept


def test_the_summary_is_of_what_each_strength_has():
    kept = [_kept(0.0), _kept(0.0, pgr=0.7, round=1), _kept(0.5, pgr=None), _kept(0.9)]
    kept[-1].row = {}
    cells = list(train._summary(kept))
    assert [(cell["p"], cell["seeds"], cell["rounds"]) for cell in cells] == [
        (0, 2, 1),
        (0.5, 1, 2),
    ]
    assert cells[0]["pgr"] == pytest.approx(0.6) and "pgr" not in cells[1]


def test_students_are_stored_in_two_files_at_most(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "FILE", 900)
    students = {name: {"w": np.full(256, i, np.float32)} for i, name in enumerate("abc")}
    train._store(tmp_path, students)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["students-0.npz", "students-1.npz"]
    with np.load(tmp_path / "students-1.npz") as stored:
        assert (stored["['b']['w']"] == 1).all()
    assert "c: not stored" in capsys.readouterr().err


def test_a_first_round_is_no_measure_of_the_next():
    assert train.expected([0.0, 100.0]) == pytest.approx(25)
    assert train.expected([0.0, 100.0, 112.0]) == pytest.approx(12)


@pytest.mark.parametrize("toy", [False, True])
def test_the_sweep_is_one_that_can_be_run(toy):
    plan = train.plan_of(None, toy)
    parts = grid.parse(plan.sweep)
    assert len(parts) == plan.sweep["seeds"] * len(plan.sweep["p"])
    assert len(grid.programs(list(parts))) == 1
    # Further matches of the same shape compile nothing.
    assert all(part.config.round_openings == part.config.final_openings for part in parts)


def test_a_sweep_may_come_from_a_file(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text('misalignment = "policy_noise"\nsigma = [0.0, 1.0]\n')
    assert dict(train.plan_of(file, toy=False).sweep)["sigma"] == [0.0, 1.0]


@pytest.mark.parametrize("text", ["p = [", "sigma = 1.0", "nonsense = 3"])
def test_a_sweep_that_cannot_be_run_is_told_before_any_work(text, tmp_path, capsys):
    file = tmp_path / "own.toml"
    file.write_text(text)
    assert on_accelerator.main(["train", "--sweep", str(file)]) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1 and not said.out


@pytest.mark.parametrize(
    ("seconds", "steps"),
    [(-5, 0), (10, 0), (20, 1000), (60, 5000), (70, 5000), (80, 6000)],
)
def test_updates_are_as_many_as_fit_beside_replaying_the_games(seconds, steps):
    """100 updates a second; a pass is 10 s of replaying and 5,000 updates."""
    assert train.steps_within(seconds, 100, 10, 5000) == pytest.approx(steps)


@pytest.mark.parametrize("sizes", [speed.Sizes(), measure.TOY[1]], ids=["real", "toy"])
def test_the_round_of_members_is_one_that_can_be_run(sizes):
    assert speed.member_config(sizes).lanes == sizes.member_lanes


def test_members_are_as_many_as_memory_holds(monkeypatch):
    kept = {"programs": {"sweep/base/1024/members, update": {"temp_mib": 16 * 4096.0}}}
    monkeypatch.setattr(train.figures, "read", lambda path: kept)
    plan = train.Plan()
    config = Config(lanes=256, games=512, batch=256)  # a quarter of either: a GiB each
    for gib, members in ((20, 20), (1000, plan.most_members), (0.1, 1)):
        free = int(gib * 2**30)
        monkeypatch.setattr(train.lane_layout, "free_memory", lambda device, free=free: free)
        assert train._members(plan, config)[0] == members
    monkeypatch.setattr(train.lane_layout, "free_memory", lambda device: None)
    assert train._members(plan, config)[0] == plan.most_members


def test_nothing_is_imported_that_is_not_carried():
    """What a bare machine lacks is refused here; only `wheels.NAMES` may be needed."""
    code = """
        import sys

        class Refuses:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in {"chess", "tyro", "wandb", "orbax", "matplotlib",
                                          "zstandard", "platformdirs", "tensorstore"}:
                    raise ModuleNotFoundError(name)

        sys.meta_path.insert(0, Refuses())
        from scripts.accelerator import measure, train
        import sandwich_jax.oversight.search
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_every_stage_runs_at_toy_size(data, tmp_path, capsys):
    from sandwich_jax.training import corpus as corpora

    source = data / "games" / "test.pgn.zst"
    corpora.build([source], tmp_path / "games.npz", max_games=300, test_share=0.1)
    small = str(tmp_path / "small.npz")
    made = ["corpus", "--corpus", str(tmp_path / "games.npz"), "--out", small]
    assert on_accelerator.main(made) == 0
    capsys.readouterr()
    assert on_accelerator.main(["measure", "--toy", "--seconds", "3600"]) == 0
    rows = _rows(capsys.readouterr().out)
    assert not [row for row in rows if "skipped" in row]
    assert all(row["equal"] for row in rows if "equal" in row)
    out = tmp_path / "out"
    given = ["train", "--toy", "--seconds", "3600", "--corpus", small, "--out", str(out)]
    assert on_accelerator.main(given) == 0
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert files == [
        "expert/network.json", "expert/params.npz", "rows.jsonl", "students-0.npz",
        "weak/network.json", "weak/params.npz",
    ]  # fmt: skip
    rows = _rows((out / "rows.jsonl").read_text())
    assert {row["p"] for row in rows if row.get("what") == "cell"} == {0.0, 0.5}


@pytest.mark.slow
def test_members_that_are_stopped_early_still_meet_their_expert(tmp_path, capsys):
    stages = Stages(0.0, tmp_path)
    plan = dataclasses.replace(train.TOY, sweep=train.TOY.sweep | {"rounds": 3, "p": [0.0]})
    list(train.sandwiches(train.Training(plan, tmp_path, stages)))
    rows = _rows((tmp_path / "rows.jsonl").read_text())
    assert [row["round"] for row in rows] == [1, 1]
    assert rows[0]["score_against_e"] is None and rows[1]["score_against_e"] is not None
    assert (tmp_path / "students-0.npz").exists()


# --- what is told of it --------------------------------------------------------------------------


def test_the_page_has_every_row_that_was_measured():
    rows = log.read_rows(page.PLACE / "measured.jsonl")
    text = page.PAGE.read_text()
    assert len(rows) > 20
    for row in rows:
        if row["stage"] != "machine":
            assert f"| {' | '.join(page.line(row))} |" in text
        else:
            assert page.heading(row) in text


@pytest.mark.parametrize(
    ("value", "text"), [(True, "yes"), (239741489.25, "239,741,489"), (0.48122, "0.481"), (3, "3")]
)
def test_figures_have_three_digits(value, text):
    assert page.number(value) == text


def test_a_student_that_was_stored_is_found_again(tmp_path):
    students = {name: {"w": np.full(4, i, np.float32)} for i, name in enumerate("ab")}
    train._store(tmp_path, students)
    like = {"w": np.zeros(4, np.float32)}
    found = train.student(tmp_path / "students-0.npz", "b", like)
    assert found is not None and (found["w"] == 1).all() and found["w"].dtype == np.float32
    assert train.student(tmp_path / "students-0.npz", "c", like) is None
