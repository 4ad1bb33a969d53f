"""The script for a cluster, with two tasks on this machine in the place of Slurm's."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest
from helpers import SWEEP, rows_without_time, write_toml

from sandwich_jax.running import sweep_folder

SCRIPT = pathlib.Path(__file__).parents[1] / "examples" / "slurm.sh"
GRID = SWEEP | {"seeds": 1}
SRUN = f"""#!{sys.executable}
import os, pathlib, signal, subprocess, sys

command = [word for word in sys.argv[1:] if word != "--kill-on-bad-exit=0"]
tasks = [
    subprocess.Popen(command, env=os.environ | {{"SLURM_PROCID": task, "SLURM_LOCALID": task}})
    for task in "01"
]
signal.signal(signal.SIGTERM, lambda *_: [task.terminate() for task in tasks])
pathlib.Path("srun.pid").write_text(str(os.getpid()))
sys.exit(max(task.wait() for task in tasks))
"""
"""As Slurm starts tasks, and tells them that their time is up."""


def _executable(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _job(place: pathlib.Path) -> subprocess.Popen:
    number = random.SystemRandom().randrange(1 << 12)  # JAX makes the port from it
    about = {"JOB_ID": number, "STEP_NODELIST": "localhost", "NTASKS": 2, "STEP_NUM_NODES": 1}
    env = os.environ | {f"SLURM_{name}": str(value) for name, value in about.items()}
    env |= {"PATH": f"{place / 'bin'}:{env['PATH']}", "SCRATCH": str(place / "scratch")}
    env["WANDB_MODE"] = "disabled"
    pipe = subprocess.PIPE
    return subprocess.Popen(["bash", str(SCRIPT)], cwd=place, env=env, stdout=pipe, stderr=pipe)


@pytest.fixture
def place(tmp_path):
    """Where a job is submitted."""
    bin_ = tmp_path / "bin"
    _executable(bin_ / "srun", SRUN)
    _executable(bin_ / "scontrol", '#!/bin/sh\necho "$@" > requeued\n')
    _executable(
        bin_ / "sandwich-jax", f'#!/bin/sh\nexec {sys.executable} -m sandwich_jax.cli "$@"\n'
    )
    (tmp_path / "experiments").mkdir()
    write_toml(GRID, tmp_path / "experiments" / "phase_diagram.toml")
    return tmp_path


def _ended_well(place: pathlib.Path) -> None:
    """A job comes to its end, and its folder is that of one process."""
    job = _job(place)
    _, errors = job.communicate()
    assert job.returncode == 0, errors
    out, alone = place / "scratch" / "phase_diagram", place / "alone"
    found, _ = sweep_folder.run(GRID, alone, wandb="disabled")
    assert json.loads((out / "phase.json").read_text())["rows"] == found.rows
    rows = rows_without_time(out)
    assert rows == rows_without_time(alone) and len(rows) == 6


@pytest.mark.slow  # two processes find one another in test_sweep, too
def test_a_job_of_two_tasks_is_a_sweep_of_one_process(place):
    _ended_well(place)


@pytest.mark.slow
def test_a_job_whose_time_is_up_is_queued_again_and_goes_on(place):
    job = _job(place)
    while job.poll() is None and not list(place.glob("scratch/*/members/*/checkpoints/*.npz")):
        time.sleep(0.02)
    os.kill(int((place / "srun.pid").read_text()), signal.SIGTERM)
    _, errors = job.communicate()
    assert job.returncode == 75, errors
    assert (place / "requeued").read_text().startswith("requeue ")
    _ended_well(place)
