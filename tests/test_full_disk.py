"""A disk that is full, or read-only, and a clock set back: nothing lost, and work goes on after."""

import functools
import itertools
import os
import shutil
import subprocess
import time

import pytest
from helpers import SMALL, pgn, rows_without_time, small

import sandwich_jax
from sandwich_jax import cli
from sandwich_jax.running import sweep_folder
from sandwich_jax.types import SettingError


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 MiB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small file system")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def _fill(place, leave: int):
    """A file that leaves so many bytes of room."""
    filler = place / "filler"
    filler.write_bytes(b"\0" * (shutil.disk_usage(place).free - leave))
    return filler


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """`network -> rows` of a run that nothing happens to."""

    @functools.cache
    def rows_of(network: str) -> list:
        folder = tmp_path_factory.mktemp("undisturbed") / "run"
        sandwich_jax.run(small(network=network), folder, wandb="disabled")
        return rows_without_time(folder)

    return rows_of


@pytest.mark.parametrize(
    ("network", "room"),
    [
        ("nano", 200_000),
        pytest.param("tiny", 16_384, marks=pytest.mark.slow),
        pytest.param("tiny", 900_000, marks=pytest.mark.slow),
        pytest.param("tiny", 3_000_000, marks=pytest.mark.slow),
    ],
)
def test_a_run_stops_and_goes_on_when_there_is_space(small_disk, undisturbed, network, room):
    filler, folder = _fill(small_disk, room), small_disk / "run"
    with pytest.raises(SettingError, match="no space left") as stopped:
        sandwich_jax.run(small(network=network), folder, wandb="disabled")
    assert len(str(stopped.value).splitlines()) == 1
    filler.unlink()
    sandwich_jax.run(small(network=network), folder, wandb="disabled")
    assert rows_without_time(folder) == undisturbed(network)


@pytest.mark.parametrize(
    ("network", "room"),
    [
        ("nano", 100_000),
        pytest.param("tiny", 300_000, marks=pytest.mark.slow),
        pytest.param("tiny", 1_500_000, marks=pytest.mark.slow),
    ],
)
def test_a_sweep_stops_and_goes_on_when_there_is_space(small_disk, tmp_path, network, room):
    common = {name: value for name, value in SMALL.items() if name != "p"} | {"network": network}
    settings = common | {"misalignment": "random_move", "p": [0.5], "rounds": 2}
    filler, folder = _fill(small_disk, room), small_disk / "sweep"
    with pytest.raises(SettingError, match="no space left") as stopped:
        sweep_folder.run(settings, folder, wandb="disabled")
    assert len(str(stopped.value).splitlines()) == 1
    filler.unlink()
    sweep_folder.run(settings, folder, wandb="disabled")
    sweep_folder.run(settings, tmp_path / "undisturbed", wandb="disabled")
    assert rows_without_time(folder) == rows_without_time(tmp_path / "undisturbed")


def _remounted(place, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True)


def test_a_run_goes_on_after_its_file_system_could_only_be_read(small_disk, undisturbed):
    folder = small_disk / "run"

    def hurt(done, total, text):
        if text.startswith("round 2/2"):
            _remounted(small_disk, "ro")

    for told in ("can only be read now; finished rounds are kept", "cannot be written"):
        with pytest.raises(SettingError, match=told) as stopped:
            sandwich_jax.run(small(), folder, wandb="disabled", progress=hurt)
        assert len(str(stopped.value).splitlines()) == 1
    _remounted(small_disk, "rw")
    sandwich_jax.run(small(), folder, wandb="disabled")
    assert rows_without_time(folder) == undisturbed("nano")


def test_a_clock_that_is_set_back_changes_nothing(undisturbed, tmp_path, monkeypatch):
    """An hour further back whenever it is read, and so are the times of files."""
    hours = itertools.count()
    now, replace = time.time, os.replace

    def put(source, target):
        replace(source, target)
        os.utime(target, (early := time.time(), early))

    folder = tmp_path / "run"

    def stop(done, total, text):
        if text.startswith("round 2/2"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now() - 3600 * next(hours))
        patch.setattr(os, "replace", put)
        with pytest.raises(KeyboardInterrupt):
            sandwich_jax.run(small(), folder, wandb="disabled", progress=stop)
        sandwich_jax.run(small(), folder, wandb="disabled")
    assert next(hours) > 5 and rows_without_time(folder) == undisturbed("nano")


def test_a_corpus_that_does_not_fit_leaves_the_old_one(small_disk, tmp_path, capsys):
    (tmp_path / "games.pgn").write_text(pgn("e4 e5 Nf3 Nc6") + pgn("d4 d5"))
    old = small_disk / "games.npz"
    old.write_bytes(b"an older corpus")
    filler = _fill(small_disk, 0)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["corpus", "build", str(tmp_path / "games.pgn"), "--out", str(old)])
    assert stopped.value.code == 2 and "no space left" in capsys.readouterr().err
    assert old.read_bytes() == b"an older corpus"
    assert sorted(small_disk.iterdir()) == [filler, old]
