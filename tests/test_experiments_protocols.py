"""The scripts that tune, report and screen protocols: what they run, and that nothing leaks."""

import importlib.util
import json
import pathlib

import pytest

from sandwich_jax import grid
from sandwich_jax.outside import log
from sandwich_jax.oversight.protocols import PROTOCOLS, make

EXPERIMENTS = pathlib.Path(__file__).parents[1] / "experiments"


def _script(name: str):
    spec = importlib.util.spec_from_file_location(name, EXPERIMENTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tune, table, screen = map(_script, ("tune_protocols", "protocol_table", "screen"))


def test_what_is_held_out_is_not_tuned_on():
    held_out = {settings["misalignment"] for settings in table.HELD_OUT.values()}
    assert not held_out & set(tune.DEVELOPMENT["misalignment"])


def test_every_protocol_with_a_choice_is_tuned_and_every_other_one_reported():
    asking = {name for name in PROTOCOLS if name not in screen.LEFT_OUT}
    assert set(tune.GRID) | set(table.UNTUNED) == asking == set(screen.Screen().protocols)
    assert all(set(knobs) <= set(make(name).uses) for name, knobs in tune.GRID.items())


@pytest.mark.parametrize("protocol", sorted(tune.GRID))
def test_tuning_varies_the_knobs_and_nothing_else(protocol):
    parts = grid.parse(tune.settings(tune.Tuning(), protocol))
    values = {tuple(getattr(p.config, name) for name in tune.GRID[protocol]) for p in parts}
    count = 1
    for axis in tune.GRID[protocol].values():
        count *= len(axis)
    assert len(values) == count and len(parts) == 2 * count
    assert {p.config.lasts for p in parts} == {"query"}


def test_a_choice_is_by_the_mean_score_against_w(tmp_path):
    rows = [
        dict(round=4, tau=0.01, score_against_w=0.6, pgr=0.9),
        dict(round=4, tau=0.01, score_against_w=0.4, pgr=0.9),
        dict(round=4, tau=0.1, score_against_w=0.7, pgr=0.1),
        dict(round=3, tau=0.01, score_against_w=0.9, pgr=0.9),
    ]
    log.write_rows(tmp_path / "rows.jsonl", rows)
    found = tune.scores(tmp_path, "prior_gate", 4)
    assert found == {(("tau", 0.01),): [0.6, 0.4], (("tau", 0.1),): [0.7]}


def test_the_table_takes_the_knobs_that_were_fixed(tmp_path):
    path = tmp_path / "knobs.json"
    path.write_text(json.dumps({"knobs": {"prior_gate": {"tau": 0.1}}}))
    args = table.Reported(knobs=path)
    assert table.tuned(args)["prior_gate"] == {"tau": 0.1}
    for held_out in table.HELD_OUT:
        parts = grid.parse(table.settings(args, "prior_gate", {"tau": 0.1}, held_out))
        asking = [p for p in parts if p.config.protocol == "prior_gate"]
        assert {p.config.tau for p in asking} == {0.1} and len(asking) == args.seeds
        assert {p.config.lasts for p in asking} == {"position"}


def test_the_screen_spans_every_protocol_and_misalignment():
    for name in screen.MISALIGNMENTS:
        parts = grid.parse(screen.settings(screen.Screen(), name))
        assert len(parts) == 2 * (len(screen.Screen().protocols) + 1)
