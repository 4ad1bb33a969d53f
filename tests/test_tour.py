"""Every command of docs/tour.md, in its order, on a game of nine squares.

The page's own words are run; what makes a run large is said again behind them, in small.
"""

import pathlib
import re
import shlex
import sys

import pytest
from hostile.common import call
from test_docs import ROOT

from sandwich_jax.oversight.protocols import PROTOCOLS

PAGE = (ROOT / "docs" / "tour.md").read_text()
SMALL = ("--game", "tic_tac_toe", "--expert", "fresh:1", "--weak", "fresh:2", "--rounds", "1",
         "--games", "8", "--lanes", "8", "--max-plies", "8", "--arena-max-plies", "8",
         "--updates", "2", "--batch", "8", "--window", "1", "--round-openings", "4",
         "--final-openings", "4", "--no-control", "--wandb", "disabled")  # fmt: skip
SMALL_FILE = """
game = "tic_tac_toe"
expert = "fresh:1"
weak = "fresh:2"
games = 8
lanes = 8
max_plies = 8
arena_max_plies = 8
updates = 2
batch = 8
window = 1
round_openings = 4
final_openings = 4
control = false
"""
SHELL = ("git", "cd", "make", "source")
"""Of the terminal; `make demo` is the main experiment, which CI does not repeat."""


def _commands() -> list[list[str]]:
    lines = re.findall(r"^    (\S.*)$", re.sub(r"```.*?```", "", PAGE, flags=re.S), re.M)
    return [shlex.split(line) for line in lines]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the page's files, and a run in the place of the demo's."""
    monkeypatch.chdir(tmp_path)
    (grid,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    (tmp_path / "grid.toml").write_text(grid.replace("rounds = 2", "rounds = 1") + SMALL_FILE)
    (script,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    (tmp_path / "mine.py").write_text(script)
    yield tmp_path
    PROTOCOLS.pop("early", None)  # pyright: ignore


def test_every_command_works_as_printed(place):
    done = call("run", "--p", "0.5", *SMALL, "--out", "runs/demo")
    assert done.status == 0, done.err
    commands = _commands()
    assert len(commands) > 12
    for words in commands:
        if words[0] in SHELL:
            continue
        if words[0] == "python":
            source = pathlib.Path(words[1]).read_text().replace("cli.main()", "")
            exec(compile(source, words[1], "exec"), {})
            words = words[1:]
        else:
            assert words[0] == "sandwich-jax"
        small = SMALL if words[1] == "run" else ()
        small = ("--wandb", "disabled") if words[1] == "sweep" else small
        done = call(*words[1:], *small)
        assert done.status == 0, (words, done.err)
    made = {path.name for path in (place / "runs").iterdir()}
    assert made == {"demo", "follow", "gate", "noise", "grid", "early"}
    assert (place / "runs/demo/report.html").is_file() and sys.version_info >= (3, 11)
