"""A sweep is its runs one by one, wherever they run and however often they are killed."""

import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import SIX, SIXTEEN, SWEEP, finish, free_port, rows_without_time, write_toml

import sandwich_jax
from sandwich_jax import driver, grid, members, sandwich
from sandwich_jax.folders import log, places
from sandwich_jax.running import pace, paired, sweep_folder
from sandwich_jax.types import SettingError

CLI = [sys.executable, "-m", "sandwich_jax.cli", "sweep"]


def _environment(devices: int) -> dict[str, str]:
    """With as many threads for XLA as the test of most devices has: sums depend on them."""
    quick = os.environ["XLA_FLAGS"]
    flags = {
        "XLA_FLAGS": f"{quick} --xla_force_host_platform_device_count={devices}",
        "NPROC": "4",
    }
    return os.environ | flags


def _start(config: pathlib.Path, out: pathlib.Path, *flags: str, devices: int = 1):
    command = [*CLI, str(config), "--out", str(out), "--wandb", "disabled", *flags]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=_environment(devices))


def _start_two(config: pathlib.Path, out: pathlib.Path) -> list[subprocess.Popen]:
    flags = ("--distributed", "--coordinator", f"localhost:{free_port()}", "--processes", "2")
    return [_start(config, out, *flags, "--process-id", str(i), devices=2) for i in range(2)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undisturbed sweep, how often a round was traced, and how fast it went."""
    folder, traced = tmp_path_factory.mktemp("sweeps") / "whole", 0
    original = sandwich.round_of

    def counted(setup, protocol):
        one_round = original(setup, protocol)

        def one(*arguments):
            nonlocal traced
            traced += 1
            return one_round(*arguments)

        return one

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandwich, "round_of", counted)
        patch.setattr(pace, "PATIENCE", 0.0)
        patch.setattr(pace, "WORTH", 0)
        found, figures = sweep_folder.run(SWEEP, folder, wandb="disabled")
    return folder, found, traced, figures


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """An undisturbed sweep in a process of its own, on one device; it leaves what it printed."""
    place = tmp_path_factory.mktemp("reference")
    (printed,) = finish([_start(write_toml(SWEEP, place / "grid.toml"), place / "out")])
    (place / "printed").write_text(printed)
    return place / "out"


def test_one_trace_a_program(whole):
    programs = grid.programs(grid.parse(SWEEP))
    assert [len(own) for own in programs.values()] == [2, 4] and whole[2] == 2


def _equals_its_runs(folder: pathlib.Path, parts: list[grid.Part], place: pathlib.Path) -> None:
    for part in parts:
        alone, member = place / part.id, places.member_folder(folder, part)
        sandwich_jax.run(part.config, alone, wandb="disabled")
        assert rows_without_time(member) == rows_without_time(alone)
        _same_networks(member, alone)
        for stored in ("baseline", "final"):
            one, other = (np.load(f / "arena" / f"{stored}.npz") for f in (member, alone))
            assert set(one) == set(other)
            assert all((one[key] == other[key]).all() for key in one)


def test_a_sweep_is_its_runs_one_by_one_bit_for_bit(whole, tmp_path):
    parts = grid.parse(SWEEP)
    _equals_its_runs(whole[0], [parts[1], parts[-1]], tmp_path)


def _same_folder(one: pathlib.Path, other: pathlib.Path, settings: dict) -> None:
    """Rows, and networks to the last bit."""
    assert rows_without_time(one) == rows_without_time(other)
    for part in grid.parse(settings):
        _same_networks(*(places.member_folder(folder, part) for folder in (one, other)))


def _same_networks(one: pathlib.Path, other: pathlib.Path) -> None:
    (a,), (b,) = (list(folder.glob("networks/*/params.npz")) for folder in (one, other))
    with np.load(a) as first, np.load(b) as second:
        assert all((first[key] == second[key]).all() for key in first)


@pytest.mark.slow  # the next test has two devices a process, too
def test_two_devices_are_one(reference, tmp_path):
    config = write_toml(SWEEP, tmp_path / "grid.toml")
    finish([_start(config, tmp_path / "out", devices=2)])
    _same_folder(tmp_path / "out", reference, SWEEP)


def test_two_processes_of_two_devices_are_one(reference, tmp_path):
    config = write_toml(SWEEP, tmp_path / "grid.toml")
    finish(_start_two(config, tmp_path / "out"))
    _same_folder(tmp_path / "out", reference, SWEEP)


def test_with_one_member_left_two_processes_go_on(reference, tmp_path):
    """One of the two has nothing to play."""
    config, out = write_toml(SWEEP, tmp_path / "grid.toml"), tmp_path / "out"
    shutil.copytree(reference, out)
    shutil.rmtree(places.member_folder(out, grid.parse(SWEEP)[2]))
    finish(_start_two(config, out))
    _same_folder(out, reference, SWEEP)


def test_more_processes_than_members_are_refused(tmp_path):
    config = write_toml(SWEEP | {"p": [0.5], "seeds": 1, "control": False}, tmp_path / "one.toml")
    processes = _start_two(config, tmp_path / "out")
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 2 and "2 processes for 1 members: use at most 1" in errors
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_sixteen_members_are_sixteen_runs_everywhere(tmp_path):
    config, parts = write_toml(SIXTEEN, tmp_path / "grid.toml"), grid.parse(SIXTEEN)
    assert len(parts) == 16
    sweep_folder.run(SIXTEEN, tmp_path / "here", wandb="disabled")
    _equals_its_runs(tmp_path / "here", list(parts), tmp_path / "alone")
    finish([_start(config, tmp_path / "one")])
    finish([_start(config, tmp_path / "four", devices=4)])
    _same_folder(tmp_path / "four", tmp_path / "one", SIXTEEN)
    finish(_start_two(config, tmp_path / "two"))
    _same_folder(tmp_path / "two", tmp_path / "one", SIXTEEN)


@pytest.mark.slow
def test_sixteen_members_cost_no_more_than_sixteen_runs(tmp_path):
    """By turns, the compile cache warm on both sides."""
    seconds: dict[str, list[float]] = {"sweep": [], "runs": []}
    for turn in range(4):
        place = tmp_path / str(turn)
        start = time.monotonic()
        sweep_folder.run(SIXTEEN, place / "sweep", wandb="disabled")
        seconds["sweep"].append(time.monotonic() - start)
        start = time.monotonic()
        for part in grid.parse(SIXTEEN):
            sandwich_jax.run(part.config, place / part.id, wandb="disabled")
        seconds["runs"].append(time.monotonic() - start)
    sweep_, runs = (np.median(seconds[name][1:]) for name in ("sweep", "runs"))
    print(f"16 members {sweep_:.1f} s, 16 runs {runs:.1f} s: {sweep_ / runs:.2f}")
    assert sweep_ <= 1.05 * runs


# --- killed -------------------------------------------------------------------------------------


def _killed_and_resumed(reference, out: pathlib.Path, kills: int) -> None:
    """Killed at a random moment each time, now and then in the middle of a checkpoint's write."""
    rng, place = random.Random(0), out.parent
    script = place / "slow_writes.py"
    # A checkpoint's file stays half-written for a while, so that kills do hit it.
    script.write_text(
        "import os, time\n"
        "from sandwich_jax import cli\n"
        "replace = os.replace\n"
        "def late(a, b):\n"
        "    time.sleep(0.3 if 'checkpoints' in str(b) else 0.0)\n"
        "    replace(a, b)\n"
        "os.replace = late\n"
        "cli.main()\n"
    )
    config, during = write_toml(SWEEP, place / "grid.toml"), 0
    command = [sys.executable, str(script), "sweep", str(config), "--out", str(out)]
    while kills:
        rows = len(log.read_rows(out / "rows.jsonl"))
        hit = _kill([*command, "--wandb", "disabled"], out, rng, at_a_write=kills % 2 == 0)
        if hit is None:  # it was done before: a new one is killed
            _same_folder(out, reference, SWEEP)
            shutil.rmtree(out)
            continue
        kills, during = kills - 1, during + hit
        assert len(log.read_rows(out / "rows.jsonl")) >= rows
    assert during
    finish([_start(config, out)])
    _same_folder(out, reference, SWEEP)


def _kill(command: list, out: pathlib.Path, rng: random.Random, at_a_write: bool) -> bool | None:
    """Kills a sweep at work; whether in the middle of a checkpoint's write, None if too late."""
    writes = "members/*/checkpoints/.*.tmp.npz"
    for left in out.glob(writes):  # by an earlier kill
        left.unlink()
    before = set(out.glob("members/**/*"))
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, env=_environment(1)) as process:
        while process.poll() is None and set(out.glob("members/**/*")) == before:
            time.sleep(0.02)
        moment = time.monotonic() + (30 if at_a_write else rng.uniform(0, 2))
        while process.poll() is None and time.monotonic() < moment:
            if at_a_write and list(out.glob(writes)):
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    return bool(list(out.glob(writes))) if process.returncode == -signal.SIGKILL else None


def _told_to_stop(reference, out: pathlib.Path) -> None:
    """SIGTERM after the first checkpoint: exit code 75, and rows of what is done."""
    process = _start(write_toml(SWEEP, out.parent / "grid.toml"), out)
    while not list(out.glob("members/*/checkpoints/*.npz")):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 75 and "run the same command again" in errors
    assert 0 < len(log.read_rows(out / "rows.jsonl")) < len(rows_without_time(reference))


def test_told_to_stop_then_killed_twice_the_same_command_goes_on(reference, tmp_path):
    """Killed in the middle of a write, and whenever."""
    _told_to_stop(reference, tmp_path / "out")
    _killed_and_resumed(reference, tmp_path / "out", 2)


@pytest.mark.slow
def test_killed_twenty_times(reference, tmp_path):
    _killed_and_resumed(reference, tmp_path / "out", 20)


@pytest.mark.slow  # the fast test kills it before it ends
def test_told_to_stop_the_same_command_goes_on(reference, tmp_path):
    _told_to_stop(reference, tmp_path / "out")
    finish([_start(tmp_path / "grid.toml", tmp_path / "out")])
    _same_folder(tmp_path / "out", reference, SWEEP)


# --- widened, refused ---------------------------------------------------------------------------


def test_a_wider_grid_keeps_what_is_done(whole, tmp_path):
    narrow = SWEEP | {"p": [0.5], "seeds": [3]}
    out = tmp_path / "out"
    sweep_folder.run(narrow, out, wandb="disabled")
    kept = {p: p.stat().st_mtime_ns for p in out.glob("members/**/*") if p.is_file()}
    shown = []  # while members are at work, the narrow grid is not shown as the wide one's
    told = lambda *_: shown.append((out / "phase.json").exists())  # noqa: E731
    sweep_folder.run(SWEEP, out, wandb="disabled", progress=told)
    assert shown and not any(shown) and (out / "phase.json").exists()
    assert kept and all(path.stat().st_mtime_ns == then for path, then in kept.items())
    _same_folder(out, whole[0], SWEEP)


def test_a_finished_sweep_is_read_not_repeated(whole):
    folder, found, *_ = whole
    before = (folder / "rows.jsonl").read_bytes()
    again, figures = sweep_folder.run(SWEEP, folder, wandb="disabled")
    assert (folder / "rows.jsonl").read_bytes() == before and again == found
    assert figures["rounds"] == 0 and figures["time"]["board"] is None


def test_rows_and_the_grid_are_complete(whole):
    folder, found, *_ = whole
    rows = log.read_rows(folder / "rows.jsonl")
    assert len(rows) == SIX * 2 and len({(r["run"], r["round"]) for r in rows}) == SIX * 2
    assert [row["seeds"] for row in found.rows] == [2, 2, 2]
    assert [row["p"] for row in found.rows] == [None, 0.0, 0.5]
    for name in ("misalignment", "lasts", "every", "a_elo", "a_elo_lo"):
        assert [row[name] is None for row in found.rows] == [True, False, False]
        everything = {row[name] is None for row in rows if row["protocol"] == "never_ask"}
        assert everything == {True}, name
    for row in found.rows:
        assert row["elo_gain_lo"] <= row["elo_gain"] <= row["elo_gain_hi"]
    (curve,) = found.critical
    assert curve["strength"] == "p" and set(curve["gain_over_control_0"]) >= {"value", "low"}
    assert json.loads((folder / "phase.json").read_text())["rows"] == found.rows
    for row in found.rows:  # what a report shows of members it shows of cells
        asks = row["protocol"] != "never_ask"
        assert row["in_regime"] is (0 < row["a_elo"] < row["e_elo"] if asks else None)
        assert (row["corrupted"] or 0) > 0 if row["p"] else not row["corrupted"]


def test_cells_are_compared_seed_by_seed(whole, tmp_path):
    folder, *_ = whole
    cells = list(grid.cells(grid.parse(SWEEP)).values())
    honest, corrupt = (next(c for c in cells if c[0].config.p == (p,)) for p in (0.0, 0.5))
    same = paired.difference(folder, corrupt, corrupt)
    assert abs(same.value) < 1e-6 and same.low <= 1e-6 and same.high >= -1e-6
    shutil.copytree(folder, tmp_path / "other")
    assert paired.difference(folder, corrupt, corrupt, tmp_path / "other") == same
    with pytest.raises(SettingError, match="differ in assistant and"):
        paired.difference(folder, honest, corrupt)
    for changes in ({"schedule": "every_nth"}, {"lasts": "game"}, {"arena_max_plies": 30}):
        other = [dataclasses.replace(p, config=members.changed(p.config, changes)) for p in corrupt]
        with pytest.raises(SettingError, match=f"differ in {next(iter(changes))} and"):
            paired.difference(folder, corrupt, other)
    kept = [dataclasses.replace(p, config=members.changed(p.config, {"every": 2})) for p in corrupt]
    assert not paired.differing(corrupt[0], kept[0])  # of the protocol, not of A
    with pytest.raises(SettingError, match="different seeds"):
        paired.difference(folder, corrupt[:1], corrupt)


def test_the_last_line_can_be_parsed(reference):
    last = json.loads((reference.parent / "printed").read_text().splitlines()[-1])
    assert last["cells"] == 3 and last["critical"][0]["strength"] == "p"
    figures = last["pace"]
    assert figures["rounds"] == SIX * 2 and figures["memory"]["gib"] > 0 and figures["seconds"] > 0
    each = figures["games_per_second"] / figures["rounds_per_second"]
    assert each == pytest.approx(SWEEP["games"], rel=0.01)
    assert figures["plies_per_second"] > 3 * figures["games_per_second"]  # openings: 4 of 9 plies
    assert figures["time"].keys() == {"networks", "board", "update"}


def test_what_the_time_goes_into_is_measured(whole):
    shares = whole[3]["time"]
    assert sum(shares.values()) == pytest.approx(1, abs=0.002) and min(shares.values()) > 0


def test_rounds_of_an_earlier_call_are_not_left_to_do(tmp_path):
    told: list[tuple[float, float]] = []

    def stop(done: float, total: float, text: str) -> None:
        if done >= 7:  # the control is over, and a round of the other member
            raise KeyboardInterrupt

    settings = SWEEP | {"seeds": 1, "p": [0.5], "rounds": 4}
    (whole,) = (driver.cost([p.config]) for p in grid.parse(settings) if p.config.p == (0.5,))
    with pytest.raises(KeyboardInterrupt):
        sweep_folder.run(settings, tmp_path, wandb="disabled", progress=stop)
    sweep_folder.run(settings, tmp_path, wandb="disabled", progress=lambda *x: told.append(x[:2]))
    assert told[-1][0] == pytest.approx(told[-1][1]) and told[-1][1] <= whole - 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"temprature": 1.0}, "Unknown setting 'temprature'"),
        ({"seed": 1}, r"Unknown setting 'seed': did you mean seeds.* A sweep has seeds"),
        ({"rounds": [1, 2]}, "rounds is a list, but only network, misalignment"),
        ({"p": []}, r"p is \[\]: give at least one value"),
        ({"p": [0.0, 1.5]}, "p is 1.5: it must be between 0 and 1"),
        ({"p": "high"}, "p is 'high': it must be of type float"),
        ({"sigma": [1.0]}, "sigma is set, but misalignment 'random_move' has no use of it"),
        ({"misalignment": "policy_noise"}, "Misalignment 'policy_noise' needs sigma"),
        ({"tau": [0.1]}, "tau is set, but protocol 'always_follow' has no use of it"),
        ({"protocol": ["trust"]}, "Unknown protocol 'trust'"),
        ({"seeds": 0}, r"seeds is 0|seeds is \[\]"),
        ({"lanes": 7}, "lanes is 7"),
        ({"network": ["tiny", "huge"]}, "huge"),
    ],
)
def test_bad_settings_are_one_sentence(tmp_path, change, says):
    with pytest.raises(SettingError, match=says) as caught:
        sweep_folder.run(SWEEP | change, tmp_path / "out", wandb="disabled")
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_the_folder_of_another_sweep_is_left_alone(whole, tmp_path):
    with pytest.raises(SettingError, match="a sweep with another rounds"):
        sweep_folder.run(SWEEP | {"rounds": 3}, whole[0], wandb="disabled")
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SettingError, match="holds no sweep"):
        sweep_folder.run(SWEEP, tmp_path, wandb="disabled")
