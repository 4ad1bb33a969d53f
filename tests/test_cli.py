"""The command line as a user meets it: one sentence and a non-zero exit where it cannot go on.

A process takes seconds to begin; where only what a verb says matters, it is called in this one.
"""

import os
import subprocess
import sys

import pytest
from helpers import pgn
from hostile.common import call


def _call(*arguments: object, cwd) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandwich_jax.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ)


def test_corpus_build_prints_its_counts(tmp_path):
    line = "e4 e5 Nf3 Nc6"
    (tmp_path / "a.pgn").write_text(pgn(line) + pgn(line) + pgn("d4", "1/2-1/2"))
    done = _call("corpus", "build", "a.pgn", "--out", "a.npz", "--min-plies", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = {tuple(x.split(None, 1)) for x in done.stdout.splitlines()[:3]}
    assert lines == {("1", "kept"), ("1", "duplicate"), ("1", "filtered by plies")}
    assert (tmp_path / "a.npz").is_file()


PRETRAIN = ("pretrain", "--corpus", "no.npz", "--out", "n", "--role", "weak")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["corpus", "build", "none.pgn", "--out", "a.npz"], "none.pgn: no such file"),
        (["run", "--p", "1.5", "--out", "r"], "p is 1.5: it must be between 0 and 1"),
        (["run", "--every", "0", "--out", "r"], "every is 0"),
        (["train-saboteur", "--corpus", "no.npz", "--out", "n"], "no.npz: no such corpus"),
        (
            ["train-saboteur", "--corpus", "no.npz", "--out", "n", "--imitate", "nobody"],
            "Unknown imitate 'nobody'",
        ),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    done = call(*arguments)
    assert done.status == 2
    assert says in done.err and len(done.err.strip().splitlines()) == 1
    assert not done.out and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--expert", "zoo:nobody", "--out", "r"], "No network 'nobody' in the zoo"),
        ((*PRETRAIN, "--games", "1", "--steps", "1"), "no.npz: no such corpus"),
    ],
)
def test_nothing_else_is_printed_by_a_process_of_its_own(tmp_path, arguments, says):
    done = _call(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout and not list(tmp_path.iterdir())


def test_unknown_settings_are_refused(tmp_path):
    done = call("run", "--temprature", "1", "--out", tmp_path / "r")
    assert done.status == 2 and "temprature" in done.out + done.err
    assert not list(tmp_path.iterdir())
