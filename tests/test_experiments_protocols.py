"""The scripts that tune, report and screen protocols: what they run, and that nothing leaks."""

import json
import pathlib
import sys

import pytest
from helpers import EXPERIMENTS, script

from sandwich_jax import grid
from sandwich_jax.folders import log
from sandwich_jax.oversight.protocols import PROTOCOLS, make

sys.path.insert(0, str(EXPERIMENTS))  # scripts import one another
tune, table, screen = map(script, ("tune_protocols", "protocol_table", "screen"))
confirm, comparison = map(script, ("confirm", "comparison_page"))


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
        assert {p.config.tau for p in asking} == {0.1} and len(asking) == len(args.seeds)
        assert {p.config.lasts for p in asking} == {"position"}


@pytest.mark.slow
def test_all_protocols_of_the_table_have_one_control_and_are_told_best_first(tmp_path, monkeypatch):
    small = {"game": "tic_tac_toe", "expert": "fresh:1", "weak": "fresh:2", "lanes": 8, "batch": 8}
    usual = table.settings
    monkeypatch.setattr(table, "settings", lambda *given: usual(*given) | small)
    monkeypatch.setattr(table, "PAGE", tmp_path / "page.md")
    tried = {"prior_gate": [dict(tau=0.1, score_against_w=0.4), dict(tau=0.3, score_against_w=0.6)]}
    knobs = tmp_path / "knobs.json"
    knobs.write_text(json.dumps({"knobs": {"prior_gate": {"tau": 0.3}}, "scores": tried}))
    sizes = dict(rounds=1, games=8, updates=2, seeds=(0, 1), openings=4)
    names = ("value_worst",), ("always_follow",)
    args = table.Reported(knobs, tmp_path / "runs", *names, page=True, **sizes)
    table.main(args)
    text = (tmp_path / "page.md").read_text()
    assert "| `prior_gate` | `tau` | 0.3: 0.600; 0.1: 0.400 |" in text
    lines = [x.split(" | ") for x in text.split("### Held out")[1].splitlines() if "| `" in x]
    rows = {cells[0]: cells[1:] for cells in lines}
    assert rows["| `prior_gate`"][0] == "`tau` 0.3"
    assert rows["| `always_follow`"][4:6] == ["1.00", "1.00"]
    assert rows["| `never_ask`"][3:5] == ["", "0.00"]
    gains = [float(cells[2].split(" [")[0]) for cells in lines]
    assert len(gains) == 3 and gains == sorted(gains, reverse=True)
    members = [path.name for path in (tmp_path / "runs" / "value_worst" / "members").iterdir()]
    assert sum(name.startswith("never_ask") for name in members) == 2


def test_the_screen_spans_every_protocol_and_misalignment():
    for name in screen.MISALIGNMENTS:
        parts = grid.parse(screen.settings(screen.Screen(), name))
        assert len(parts) == 2 * (len(screen.Screen().protocols) + 1)


def _screened(folder: pathlib.Path, scores: dict[str, float]) -> None:
    rows = [
        dict(round=last, protocol=name, role="", score_against_w=score if last == 2 else 1 - score)
        for name, score in scores.items()
        for last in (1, 2)
    ]
    log.write_rows(folder / "rows.jsonl", rows)


def test_the_best_is_by_the_last_round_and_neither_yardstick_nor_oracle(tmp_path):
    scores = {"always_follow": 0.9, "oracle_gate": 0.95, "product": 0.6, "majority": 0.55}
    _screened(tmp_path, scores)
    assert confirm.best(tmp_path) == "product"


def test_seeds_of_the_confirmation_are_fresh(tmp_path):
    args = confirm.Confirm(screen=tmp_path)
    assert not set(args.seeds) & set(range(screen.Screen().seeds))
    _screened(tmp_path / "value_worst", {"product": 0.6})
    parts = grid.parse(confirm.settings(args, "value_worst", [0.6]))
    names = {"always_follow", "product", "prior_gate", "never_ask"}
    assert {p.config.protocol for p in parts} == names
    assert len(parts) == 4 * len(args.seeds)


def _row(protocol: str, gain: float) -> dict:
    shares = dict.fromkeys(comparison.SHARES, 0.5)
    row = dict(protocol=protocol, answers=10.0, pgr=None, **shares)
    for name in ("elo_gain", "gain_over_control"):
        row |= {name: gain, f"{name}_lo": gain - 5, f"{name}_hi": gain + 5}
    return row


def test_the_page_shows_the_screen_and_what_confirmed_it(tmp_path, monkeypatch):
    about = dict(sweep=dict(p=[0.6], seeds=2, rounds=2, games=8, updates=4, final_openings=8),
                 versions=dict(jax="1.2.3"), commit="abc")  # fmt: skip
    protocols = screen.Screen().protocols
    for place in (tmp_path / "screen", tmp_path / "confirm"):
        folder = place / "value_worst"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps(about))
        rows = [_row(name, 10.0 * i) for i, name in enumerate((*protocols, "never_ask"))]
        (folder / "phase.json").write_text(json.dumps({"rows": rows}))
    ends = dict(value=30, low=1, high=59)
    entry = dict(misalignment="value_worst", paired=dict(product=ends),
                 rows=[_row("product", 40.0), _row("always_follow", 10.0)])  # fmt: skip
    (tmp_path / "confirm" / "value_worst" / "paired.json").write_text(json.dumps(entry))
    monkeypatch.setattr(comparison, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(comparison, "PICTURE", tmp_path / "page.png")
    comparison.main(comparison.Page(tmp_path / "screen", tmp_path / "confirm"))
    text = (tmp_path / "page.md").read_text()
    assert "Against `value_worst`: p = 0.6" in text
    assert "| `value_worst` | `product` | +40 [+35, +45] | undefined |" in text
    assert "+30 [+1, +59]" in text and "seeds 0, 1; 2 rounds of 8 games" in text
    assert [f"`{name}`" in text for name in protocols] == [True] * len(protocols)
    assert (tmp_path / "page.png").stat().st_size > 10_000
