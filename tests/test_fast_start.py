"""Help and mistakes are told before anything heavy is loaded, and by what is declared."""

import json
import subprocess
import sys

import pytest

from sandwich_jax import cli, kinds, uses
from sandwich_jax.cli import options
from sandwich_jax.config import core
from scripts import kinds_table

HEAVY = {"jax", "pgx", "flax", "optax", "orbax", "wandb", "matplotlib", "numpy", "chess", "scipy"}
CALL = """
import sys
from sandwich_jax import cli
try:
    cli.main({arguments})
except SystemExit as end:
    print("status", end.code or 0)
print("loaded", *sorted({heavy} & {{name.partition(".")[0] for name in sys.modules}}))
"""
SAYS = {
    ("--help",): "sandwiching: rounds",
    ("run", "--help"): "What people change first.",
    ("evaluate", "--help"): "--puzzle-count INT",
    ("run", "--protocol", "always_folow"): "did you mean always_follow?",
    ("run", "--misalignment", "policy_noise", "--p", "0.5"): "needs sigma",
    ("run", "--game", "othello", "--max-plies", "9999"): "othello goes no further than 250 plies",
    ("kinds", "prior_gate"): "least probability by W",
    ("sweep", "none.toml"): "none.toml",
}


def _fresh(arguments, cwd):
    code = CALL.format(arguments=list(arguments), heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd)
    return done.stdout + done.stderr


@pytest.mark.parametrize("arguments", SAYS, ids=" ".join)
def test_a_fresh_process_loads_nothing_heavy(arguments, tmp_path):
    told = _fresh(arguments, tmp_path)
    assert SAYS[arguments] in told and "loaded\n" in told, told
    assert not list(tmp_path.iterdir())


def test_no_verb_needs_anything_heavy_to_tell_its_settings():
    names = [name.replace("-", "_") for name in cli.VERBS]
    code = f"import importlib, sys\nfor name in {names}:\n"
    code += " importlib.import_module('sandwich_jax.cli.' + name)\n"
    code += f"print(sorted({HEAVY} & {{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr


def test_loading_a_sweep_asks_for_no_device_and_makes_no_tables():
    code = "import sys, sandwich_jax.running.sweep_folder\nfrom jax._src import xla_bridge\n"
    code += "print(xla_bridge.backends_are_initialized(), 'pgx._src.games.chess' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False False\n", done.stdout + done.stderr


def test_the_table_of_kinds_is_what_is_declared():
    assert kinds.TABLE.read_text() == kinds_table.text(), "run python -m scripts.kinds_table"
    table = json.loads(kinds.TABLE.read_text())
    assert kinds._kept_book().parts == kinds.book().parts and len(table["kinds"]) == 4


def test_an_older_table_is_not_asked(tmp_path, monkeypatch):
    table = json.loads(kinds.TABLE.read_text())
    table["sources"]["objectives.py"] += 1
    (tmp_path / "kinds.json").write_text(json.dumps(table))
    monkeypatch.setattr(kinds, "TABLE", tmp_path / "kinds.json")
    kinds.table.cache_clear()
    try:
        assert kinds.table() is None
        (tmp_path / "kinds.json").write_text("{")
        kinds.table.cache_clear()
        assert kinds.table() is None
        assert kinds.game("tic_tac_toe") == kinds.facts_of("tic_tac_toe")
    finally:
        kinds.table.cache_clear()


def test_help_has_every_setting_once_and_in_a_group():
    named = [name for _, names in options.GROUPS.values() for name in names]
    assert len(named) == len(set(named)) and set(named) <= {*core(), *uses.owned()}
    assert {*core()} <= set(named)
