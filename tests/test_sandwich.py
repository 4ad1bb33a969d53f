"""A run: members, parity of ways to map them, resume, rows."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SMALL, rows_without_time, small

import sandwich_jax
from sandwich_jax import driver, finetune, lane_layout, sandwich
from sandwich_jax.folders import checkpoints, log
from sandwich_jax.members import Config, Member, members_of
from sandwich_jax.players import spelled
from sandwich_jax.types import SettingError

FIELDS = {
    "round", "protocol", "misalignment", "p", "assisted_score", "elo_gain", "elo_gain_lo",
    "elo_gain_hi", "pgr", "pgr_lo", "pgr_hi", "a_elo", "in_regime", "seconds",
}  # fmt: skip
LAST = {"gain_over_control", "gain_over_control_lo", "gain_over_control_hi"}


def _setup(config: Config) -> sandwich.Setup:
    return sandwich.prepare(config, spelled.load_models(config))


def _same(a, b) -> None:
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.fixture(scope="module")
def rounds():
    """One round of three members, in turn and mapped."""
    config = small(p=(0.0, 0.5, 1.0), control=False)
    setup = _setup(config)
    members = members_of(config)
    return {
        mode: _one_round(setup, members, lane_layout.layout(mode, 1, None if mode == "loop" else 3))
        for mode in ("loop", "map")
    }


def _one_round(setup: sandwich.Setup, members: tuple[Member, ...], where: lane_layout.Layout):
    """The first round of members of one protocol, stacked."""
    learner = sandwich.first_learner(setup, setup.config.protocol)
    lanes = [sandwich.lane_of(setup.config, member, learner, 0) for member in members]
    play = sandwich.rounds_of(setup, setup.config.protocol, where)
    results = [x for _, found in play(lanes, setup.models, setup.starts) for x in found]
    return jax.tree.map(lambda *x: np.stack(x), *results)


def test_a_run_anneals_each_round_or_all_of_them():
    each, whole = (
        [sandwich._shares(small(rounds=3, anneal=name), jnp.int32(i)) for i in range(3)]
        for name in ("round", "run")
    )
    assert all((own == each[0]).all() for own in each)
    np.testing.assert_allclose(jnp.concatenate(whole), finetune.annealing(3 * len(each[0])), 1e-6)


def test_members_mapped_together_are_the_runs_one_by_one_bit_for_bit(rounds):
    _same(rounds["map"], rounds["loop"])


def test_members_differ(rounds):
    params = jax.tree.leaves(rounds["loop"].learner.train.params)
    assert any((leaf[0] != leaf[1]).any() and (leaf[1] != leaf[2]).any() for leaf in params)


def test_one_update_under_vmap_is_close():
    config = small()
    setup = _setup(config)
    window = lane_layout.pick(
        _one_round(setup, members_of(config)[:1], lane_layout.layout("loop", 1)).learner.window, 0
    )
    state = sandwich.first_learner(setup, "always_follow").train
    batch = jax.tree.map(lambda x: x[:32], window)

    def update(rate):
        return setup.trainer.update(state, sandwich.finetune.Window(*batch), rate)[0].params

    rates = jnp.asarray([1e-3, 3e-3])
    together = jax.jit(jax.vmap(update))(rates)
    for i, rate in enumerate(rates):
        alone = jax.jit(update)(rate)
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            # Adam divides by the root of a second moment: noise on a zero gradient moves a
            # parameter by up to the learning rate, elsewhere the two agree to rounding.
            assert np.mean(np.abs(a[i] - b) > 1e-5) < 0.01


def test_one_ply_under_vmap_is_close():
    setup = _setup(small())
    models = [setup.models.expert, setup.models.weak]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *models)
    features = setup.game.features(setup.starts)
    together = jax.jit(jax.vmap(lambda m, x: m.of(x), in_axes=(0, None)))(stacked, features)
    for i, model in enumerate(models):
        alone = model.of(features)
        np.testing.assert_allclose(together.logits[i], alone.logits, atol=1e-5)
        np.testing.assert_allclose(together.value[i], alone.value, atol=1e-5)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    result = sandwich_jax.run(small(rounds=4), folder, wandb="disabled")
    return folder, result


def test_rows_are_complete(finished):
    folder, result = finished
    rows = log.read_rows(folder / "rows.jsonl")
    members = [m.name for m in members_of(small())]
    assert [(r["round"], r["member"]) for r in rows] == [
        (i, m) for i in range(1, 5) for m in members
    ]
    for row in rows:
        assert set(row) >= FIELDS and (set(row) >= LAST) == (row["round"] == 4)
        assert row["elo_gain_lo"] <= row["elo_gain"] <= row["elo_gain_hi"]
        assert row["seconds"] > 0 and 0 <= row["assisted_score"] <= 1
    assert [r["p"] for r in rows[:3]] == [0.0, 0.5, None]
    assert rows[0]["a_elo"] == rows[0]["e_elo"] and rows[0]["in_regime"] is False
    # Where there is no A, nothing is said of one.
    about_a = ("misalignment", "schedule", "lasts", "every", "p", "a_elo", "a_elo_lo", "a_elo_hi",
               "in_regime")  # fmt: skip
    assert {row[name] for row in rows[2::3] for name in about_a} == {None}
    assert None not in {row[name] for row in rows[1::3] for name in about_a}
    assert result.rows[0]["elo_gain"] == rows[-3]["elo_gain"]


def test_a_finished_run_is_read_not_repeated(finished):
    folder, result = finished
    before = (folder / "rows.jsonl").read_bytes()
    again = sandwich_jax.run(small(rounds=4), folder, wandb="disabled")
    assert (folder / "rows.jsonl").read_bytes() == before
    _same(again.networks, result.networks)
    np.testing.assert_allclose(again.fit.elo, result.fit.elo)


class _Killed(Exception):
    pass


def test_a_run_stopped_again_and_again_is_the_run(tmp_path, finished):
    """Stopped in a round, between a round and its checkpoint, and in the final matches."""
    whole, result = finished
    folder = tmp_path / "killed"
    config = small(rounds=4)
    for stopped_at, kept in (("round 1/4", 0), ("round 3/4", 2), ("final", 3)):
        last = False

        def stop(done, total, text, wanted=stopped_at):
            nonlocal last
            last = last or text.startswith("round 4/4")
            if text.startswith(wanted) or (wanted == "final" and last and "arena" in text):
                raise _Killed

        with pytest.raises(_Killed):
            sandwich_jax.run(config, folder, wandb="disabled", progress=stop)
        assert _rounds_kept(folder) == kept
    resumed = sandwich_jax.run(config, folder, wandb="disabled")
    assert rows_without_time(folder) == rows_without_time(whole)
    _same(resumed.networks, result.networks)


@pytest.mark.slow  # a run is a sweep along one axis, and sweeps are killed in the fast tests
def test_killed_then_told_to_stop_the_same_command_goes_on(tmp_path, finished):
    """SIGKILL, and SIGTERM, which exits with 75."""
    whole, _ = finished
    folder = tmp_path / "stopped"
    command = [sys.executable, "-m", "sandwich_jax.cli", "run", "--out", str(folder)]
    command += ["--wandb", "disabled"]
    for name, value in (SMALL | {"rounds": 4}).items():
        command += [f"--{name}", *map(str, value if isinstance(value, tuple) else (value,))]
    errors, done = "", 0
    for sent, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 75)):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while _rounds_kept(folder) == done and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(sent)
        _, errors = process.communicate()
        assert process.returncode == code, errors
        before, done = done, _rounds_kept(folder)
        assert before < done < 4
        assert not (folder / "learning_curves.png").exists()
    assert "run the same command again" in errors
    subprocess.run(command, check=True, capture_output=True)
    assert rows_without_time(folder) == rows_without_time(whole)


def _rounds_kept(folder: pathlib.Path) -> int:
    return max(checkpoints.steps(folder / "checkpoints"), default=0)


def test_the_folder_of_another_run_is_left_alone(finished):
    folder, _ = finished
    before = sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("*"))
    with pytest.raises(SettingError, match="another rounds, seed"):
        sandwich_jax.run(small(rounds=3, seed=9), folder, wandb="disabled")
    assert sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("*")) == before


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SettingError, match="not empty and holds no run"):
        sandwich_jax.run(small(), tmp_path, wandb="disabled")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_damaged_checkpoint_is_named(tmp_path, finished):
    folder = tmp_path / "run"
    whole, _ = finished
    for path in whole.rglob("*"):
        if path.is_file() and path.name != "learning_curves.png":
            target = folder / path.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes()
            target.write_bytes(content[:20] if "checkpoints" in str(path) else content)
    with pytest.raises(SettingError, match=r"so checkpoint 4 cannot be used.*remove .* to begin"):
        sandwich_jax.run(small(rounds=4), folder, wandb="disabled")


def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch, finished):
    folder = shutil.copytree(finished[0], tmp_path / "run")
    shutil.rmtree(folder / "checkpoints" / "00000004")
    (folder / "learning_curves.png").unlink()
    lane_of = driver.lane_of

    def poisoned(config, member, learner, index):
        bad = jax.tree.map(lambda x: x * jnp.nan, learner.train.params)
        train = learner.train._replace(params=bad)
        return lane_of(config, member, learner._replace(train=train), index)

    monkeypatch.setattr(driver, "lane_of", poisoned)
    with pytest.raises(SettingError, match=r"not finite at update \d+ .*checkpoint of round 3"):
        sandwich_jax.run(small(rounds=4), folder, wandb="disabled")
    assert _rounds_kept(folder) == 3
    assert {row["round"] for row in log.read_rows(folder / "rows.jsonl")} == {1, 2, 3}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"p": (0.0, 1.2)}, r"p is 1.2: it must be between 0 and 1"),
        ({"p": (-0.1,)}, r"p is -0.1"),
        ({"p": ()}, "p is empty"),
        ({"sigma": (0.5,)}, "sigma is set, but misalignment 'random_move' has no use of it"),
        ({"every": 0}, "every is 0: it must be at least 1"),
        ({"protocol": "trust"}, r"Unknown protocol 'trust': choose one of always_follow"),
        ({"objective": "hope"}, r"Unknown objective 'hope'"),
        ({"game": "checkers"}, r"Unknown game 'checkers'"),
        ({"misalignment": "lies"}, r"Unknown misalignment 'lies'"),
        ({"lanes": 7}, "lanes is 7: it must be even"),
        ({"games": 20}, "games makes 20 games, which 8 lanes do not divide"),
        ({"learning_rate": 0.0}, "learning_rate is 0: "),
        ({"temperature": -1.0}, "temperature is -1: "),
        ({"expert": "somebody"}, "Unknown player 'somebody'"),
        ({"expert": "zoo:nobody"}, r"No network 'nobody' in the zoo"),
        ({"weak": "ckpt:/nowhere"}, "no network there"),
        (
            {"weak": "zoo:weak"},
            "No network .weak. in the zoo of tic_tac_toe: it has none: take fresh",
        ),
        ({"final_openings": 400}, "The arena wants 400 openings, but tic_tac_toe has"),
    ],
)
def test_bad_settings_are_one_sentence(tmp_path, change, says):
    with pytest.raises(SettingError, match=says) as caught:
        sandwich_jax.run(Config(**(SMALL | change)), tmp_path / "run", wandb="disabled")
    assert str(caught.value).count("\n") == 0
    assert not (tmp_path / "run" / "rows.jsonl").exists()


def test_manifest_says_what_ran(finished):
    folder, _ = finished
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["config"]["seed"] == 0 and manifest["config"]["p"] == [0.0, 0.5]
    assert {"jax", "pgx", "python"} <= set(manifest["versions"]) and manifest["device"]


def test_policy_noise_members():
    config = small(misalignment="policy_noise", sigma=(0.0, 2.0), p=(0.0,))
    names = [m.name for m in members_of(config)]
    assert names == ["always_follow E", "always_follow policy_noise sigma=2", "never_ask"]
