"""Pretraining: it learns, resumes, and holds positions out."""

import dataclasses
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers import finish, free_port, pgn

from sandwich_jax.folders import checkpoints, store
from sandwich_jax.measures import shares
from sandwich_jax.players import spelled
from sandwich_jax.running import network_folder
from sandwich_jax.training import corpus, pretrain
from sandwich_jax.training.pretrain import PretrainConfig
from sandwich_jax.types import SettingError

LINES = (
    "e4 e5 Nf3 Nc6 Bb5 a6 Ba4 Nf6 O-O Be7 Re1 b5 Bb3 d6 c3 O-O",
    "d4 d5 c4 e6 Nc3 Nf6 Bg5 Be7 e3 O-O Nf3 Nbd7 Rc1 c6",
    "c4 e5 Nc3 Nf6 Nf3 Nc6 g3 d5 cxd5 Nxd5 Bg2 Nb6 O-O Be7",
)
CONFIG = PretrainConfig(
    "weak", games=3, steps=40, network="nano", batch=32, eval_every=20, warmup=5,
    # So small a step that roundings, which differ from machine to machine, do not grow.
    learning_rate=2e-5,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _few_lanes():
    """Two games at a time are replayed, where 512 would be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrain, "REPLAY_LANES", 2)
        yield


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Three games to learn; a held-out one that shares eight plies with the first."""
    folder = tmp_path_factory.mktemp("corpus")
    held = "e4 e5 Nf3 Nc6 Bb5 a6 Ba4 Nf6 d3 d6 c3 g6"
    texts = [pgn(line, r) for line, r in zip(LINES, ("1-0", "1/2-1/2", "0-1"), strict=True)]
    (folder / "a.pgn").write_text("".join([*texts, pgn(held)]))
    corpus.build([folder / "a.pgn"], folder / "a.npz", test_share=0.0, workers=1)
    whole = corpus.load(folder / "a.npz")
    return whole._replace(test=np.asarray([False, False, False, True])), folder / "a.npz"


class _Memory:
    def __init__(self):
        self.kept = []

    def latest(self, like):
        return self.kept[-1] if self.kept else None

    def save(self, number, tree):
        self.kept.append((number, jax.device_get(tree)))


def test_values_are_for_the_side_to_move(built):
    samples = pretrain.positions_of(built[0], np.asarray([0, 1, 2]))
    assert samples.value[:4].tolist() == [1, -1, 1, -1]
    assert len(samples.moves) == sum(len(line.split()) for line in LINES)
    assert samples.value[-2:].tolist() == [-1, 1]


def test_positions_seen_in_training_are_held_out_of_the_measure(built):
    unseen = pretrain.held_out(built[0], np.asarray([0, 1, 2]), None)
    # Twelve plies, of which the first nine positions occur in a training game.
    assert len(unseen.moves) == 3


def test_clocks_do_not_make_a_position_new(built):
    samples = pretrain.positions_of(built[0], np.asarray([0]))
    other = samples.positions.copy()
    other[:, 34:] += 1
    np.testing.assert_array_equal(pretrain.identity(samples.positions), pretrain.identity(other))
    assert len(set(pretrain.identity(samples.positions).tolist())) == len(samples.moves)


def test_the_three_games_are_learnt(built):
    losses = []
    config = dataclasses.replace(CONFIG, steps=200, learning_rate=2e-2)
    pretrain.pretrain(
        config, built[0], _Memory(), lambda r: losses.append(float(r.metrics.policy_loss))
    )
    assert losses[0] > 7 and losses[-1] < 1


def _losses(report: pretrain.Report) -> tuple[float, float]:
    return float(report.metrics.policy_loss), float(report.metrics.value_loss)


@pytest.fixture(scope="module")
def trained(built, tmp_path_factory):
    """A whole training on one device: its result, its losses, and the folder of its checkpoints."""
    out, told = tmp_path_factory.mktemp("trained") / "net", []
    saver = checkpoints.Checkpoints(out / "checkpoints")
    found = pretrain.pretrain(
        CONFIG, built[0], saver, lambda report: told.append(_losses(report)), devices=1
    )
    return found, told, out


def test_an_interrupted_training_goes_on_bit_for_bit(built, trained):
    cut = _Memory()

    class Stop(Exception):
        pass

    def stop(report):
        if report.step == 20:
            raise Stop

    with pytest.raises(Stop):
        pretrain.pretrain(CONFIG, built[0], cut, stop, devices=1)
    assert [number for number, _ in cut.kept] == [20]
    b = pretrain.pretrain(CONFIG, built[0], cut, devices=1)
    jax.tree.map(np.testing.assert_array_equal, trained[0].params, b.params)


def test_a_network_is_stored_loaded_and_gone_on_from(built, trained, tmp_path):
    with pytest.raises(SettingError, match="no test games"):
        network_folder.pretrain_in(tmp_path / "net", CONFIG, built[1])
    data, (whole, _, out) = built[0], trained
    card = store.NetworkCard("chess", whole.net.config, {})
    store.save_network(out, card, whole.params)
    loaded = spelled.load_network(f"ckpt:{out}")
    jax.tree.map(np.testing.assert_array_equal, loaded.params, whole.params)
    one = dataclasses.replace(CONFIG, steps=1, learning_rate=1e-6)
    further = pretrain.pretrain(one, data, _Memory(), start_params=loaded.params)
    gaps = jax.tree.map(lambda a, b: float(abs(a - b).max()), further.params, loaded.params)
    assert max(jax.tree.leaves(gaps)) < 1e-5


def test_bad_settings(built, tmp_path):
    with pytest.raises(SettingError, match="games is 9, but the corpus has 3"):
        pretrain.pretrain(dataclasses.replace(CONFIG, games=9), built[0], _Memory())
    with pytest.raises(SettingError, match=r"Unknown role 'king'"):
        dataclasses.replace(CONFIG, role="king")
    with pytest.raises(SettingError, match="steps is 0"):
        dataclasses.replace(CONFIG, steps=0)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(SettingError, match="not empty"):
        network_folder.pretrain_in(tmp_path / "full", CONFIG, built[1])


def test_wilson_interval_by_hand():
    """8 of 10: (0.4902, 0.9433), as in Wilson (1927) with z = 1.96."""
    low, high, n = shares.wilson(8, 10)
    assert (round(low, 4), round(high, 4), n) == (0.4902, 0.9433, 10)


TWO_DEVICES = """
import pathlib
import sys
import jax
import numpy as np
from test_pretrain import CONFIG, _losses, _Memory
from sandwich_jax.training import corpus, pretrain
assert len(jax.devices()) == 2
pretrain.REPLAY_LANES = 2
games = corpus.load(pathlib.Path(sys.argv[1]))
games = games._replace(test=np.asarray([False, False, False, True]))
pretrain.pretrain(CONFIG, games, _Memory(), lambda report: print(*_losses(report)), devices=2)
"""


def _on_devices(count):
    return f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={count}"


def test_a_batch_shared_by_two_devices_is_the_batch(built, trained):
    here = os.path.dirname(__file__)
    paths = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    flags = {"XLA_FLAGS": _on_devices(2), "PYTHONPATH": paths}
    command = [sys.executable, "-c", TWO_DEVICES, str(built[1])]
    done = subprocess.run(command, env=os.environ | flags, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    losses = [[float(word) for word in line.split()] for line in done.stdout.splitlines()]
    np.testing.assert_allclose(losses, trained[1], rtol=1e-4)


def test_devices_that_do_not_fit_are_named(built):
    with pytest.raises(SettingError, match="devices is 99, but this machine has"):
        pretrain.pretrain(CONFIG, built[0], _Memory(), devices=99)


def _train(corpus_path, out, devices, *flags):
    """`sandwich-jax pretrain` in a process of so many devices; see `test_sweep._environment`."""
    numbers = {"games": 1, "steps": 40, "batch": 32, "eval-every": 20, "warmup": 5}
    numbers["network"] = "nano"
    command = [sys.executable, "-m", "sandwich_jax.cli", "pretrain", "--role", "weak", "--corpus"]
    command += [str(corpus_path), "--out", str(out), *flags]
    command += [word for name, number in numbers.items() for word in (f"--{name}", str(number))]
    flags_ = {"XLA_FLAGS": _on_devices(devices), "NPROC": "4"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ | flags_)


@pytest.mark.slow  # a batch shared by two devices is the batch, and test_sweep has two processes
def test_two_processes_of_two_devices_are_four_devices(tmp_path):
    (tmp_path / "a.pgn").write_text("".join(pgn(line) for line in LINES))
    corpus.build([tmp_path / "a.pgn"], tmp_path / "a.npz", test_share=0.5, workers=1)
    assert not corpus.load(tmp_path / "a.npz").test.all()

    # One first: what all compile the others then find done.
    finish([_train(tmp_path / "a.npz", tmp_path / "one", 4)])
    flags = ("--distributed", "--coordinator", f"localhost:{free_port()}", "--processes", "2")
    told = finish([
        _train(tmp_path / "a.npz", tmp_path / "two", 2, *flags, "--process-id", str(i))
        for i in range(2)
    ])  # fmt: skip
    assert "of human moves" in told[0] and "human" not in told[1]
    with np.load(tmp_path / "two/params.npz") as a, np.load(tmp_path / "one/params.npz") as b:
        assert all((a[name] == b[name]).all() for name in b)
    assert checkpoints.steps(tmp_path / "two/checkpoints") == [20, 40]
