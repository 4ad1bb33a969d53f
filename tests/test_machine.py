"""Errors as a caller in Python sees them, and machines without what was asked for."""

import io
import os
import socket
import subprocess
import sys
import traceback
import types

import jax
import pytest
from helpers import free_port, pgn, small

import sandwich_jax
from sandwich_jax import cli
from sandwich_jax.folders import log, store
from sandwich_jax.folders.alone import alone
from sandwich_jax.machine import cluster, devices, display
from sandwich_jax.machine.screen import Screen
from sandwich_jax.members import Config
from sandwich_jax.running import interactive, run_folder, sweep_folder
from sandwich_jax.training import corpus
from sandwich_jax.types import SettingError

ONE = {"p": (0.5,), "control": False}
RUN = {"game": "tic_tac_toe", "expert": "fresh:1", "weak": "fresh:2", "network": "nano"}


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


KEEPS = """
import sys
import jax
from sandwich_jax.machine import cluster
cluster.join_if_asked(sys.argv[1:])
cluster.keep_compiled()
index = jax.process_index()

def own(x):
    return x + index

own.__name__ = f"own_{index}"
print(jax.jit(own)(1))
cluster.barrier("done")
"""


def test_every_process_keeps_what_it_compiles(tmp_path):
    flags = ["--distributed", "--coordinator", f"localhost:{free_port()}", "--processes", "2"]
    kept = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", KEEPS, *flags, "--process-id", str(i)],
            stdout=subprocess.PIPE,
            env=os.environ | kept,
        )
        for i in range(2)
    ]
    assert [int(process.communicate()[0]) for process in processes] == [1, 2]
    assert {path.name[:9] for path in tmp_path.iterdir()} == {"jit_own_0", "jit_own_1"}


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


@pytest.mark.parametrize(
    "command",
    [
        ("pretrain", "--corpus", "CORPUS", "--role", "weak", "--games", "1", "--steps", "1"),
        ("train-alphazero",),
        ("train-saboteur", "--corpus", "CORPUS", "--positions", "1"),
        ("evaluate", "OUT"),
        ("language", "train", "--world-documents", "300"),
    ],
    ids=lambda command: command[0],
)
def test_every_command_is_alone_in_its_folder(command, tmp_path, capsys):
    """Nothing in the folder is touched, not even its claim."""
    (tmp_path / "a.pgn").write_text(pgn("e4 e5 Nf3 Nc6 Bb5 a6"))
    corpus.build([tmp_path / "a.pgn"], tmp_path / "c.npz", test_share=0.0, workers=1)
    store.write_json(tmp_path / "run" / "manifest.json", {"config": RUN})
    where = {"OUT": str(tmp_path / "run"), "CORPUS": str(tmp_path / "c.npz")}
    given = [where.get(word, word) for word in command]
    given += [] if "OUT" in command else ["--out", where["OUT"]]
    with alone(tmp_path / "run"), pytest.raises(SystemExit) as left:
        cli.main(given)
    told = capsys.readouterr().err.strip().splitlines()
    assert left.value.code == 2 and len(told) == 1 and "another process is at work" in told[0]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["manifest.json"]
