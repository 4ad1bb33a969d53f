"""Each example of docs/adding.md is one file and one line, and then a kind like any other."""

import pathlib
import re
import types

import member_folders
import pytest
import test_identity
from hostile.common import call
from protocol_games import play, same_games

from sandwich_jax import grid, uses
from sandwich_jax.config import Config
from sandwich_jax.folders import log, places
from sandwich_jax.measures import of_games
from sandwich_jax.misalign import schedules, transforms
from sandwich_jax.objectives import OBJECTIVES
from sandwich_jax.oversight.protocols import PROTOCOLS
from sandwich_jax.players import assisted
from sandwich_jax.report import evaluation_charts
from sandwich_jax.report.collect import collect

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "adding.md"
REGISTRIES = {
    "misalignment": transforms.TRANSFORMS,
    "schedule": schedules.SCHEDULES,
    "protocol": PROTOCOLS,
    "objective": OBJECTIVES,
    "measure": of_games.MEASURES,
}
TINY = ("--game", "tic_tac_toe", "--network", "nano", "--expert", "fresh:1",
        "--weak", "fresh:2", "--rounds", 1, "--games", 8, "--lanes", 8, "--max-plies", 8,
        "--arena-max-plies", 8, "--updates", 2, "--batch", 8, "--window", 1, "--round-openings", 4,
        "--final-openings", 4,
        "--no-control", "--wandb", "disabled")  # fmt: skip
ADDED = {
    "near_miss": ("misalignment", {"p": 0.5, "margin": 1.0}),
    "in_bursts": ("schedule", {"burst": 2.0}),
    "quorum": ("protocol", {"quorum": 0.5, "votes": 2}),
    "early_moves": ("objective", {"horizon": 5.0}),
}
NEW = ("margin", "burst", "quorum", "votes", "horizon")


@pytest.fixture(scope="module", autouse=True)
def added():
    """The page's modules, imported; the registries are as before afterwards."""
    before = {part: dict(registry) for part, registry in REGISTRIES.items()}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    assert len(blocks) == 5
    for number, block in enumerate(blocks):
        module = types.ModuleType(f"added_{number}")
        exec(compile(block, f"added_{number}.py", "exec"), vars(module))
    new = [{*registry} - {*before[part]} for part, registry in REGISTRIES.items()]
    yield
    for part, registry in REGISTRIES.items():
        registry.clear()
        registry.update(before[part])  # pyright: ignore
    assert all(len(names) == 1 for names in new)


def _options(name):
    part, values = ADDED[name]
    options = [f"--{part}", name]
    for setting, value in values.items():
        options += [f"--{setting}", value]
    return options


@pytest.fixture(scope="module")
def run(tmp_path_factory, added):
    """A run of all that is new, for two strengths."""
    folder = tmp_path_factory.mktemp("added") / "run"
    options = [option for name in ADDED for option in _options(name)]
    done = call("run", *TINY, *options, "--p", 0.25, 0.75, "--out", folder)
    assert done.status == 0, done.err
    return folder


@pytest.mark.parametrize("name", ADDED)
def test_it_is_an_option_of_run(name, run, tmp_path):
    rows = log.read_rows(run / "rows.jsonl")
    part, _ = ADDED[name]
    assert [(row[part], row["p"]) for row in rows] == [(name, 0.25), (name, 0.75)]
    refused = call("run", *TINY, *_options(name)[2:], "--out", tmp_path / "other")
    assert refused.status == 2 and f"it is for {name}" in refused.err


@pytest.mark.parametrize("name", ["near_miss", "in_bursts", "quorum"])
def test_it_is_a_setting_of_a_player(name):
    part, values = ADDED[name]
    told = [f"{setting}={value}" for setting, value in values.items()]
    kind = f"schedule={name}" if part == "schedule" else name
    spec = ",".join(["assisted:fresh:1,fresh:2", kind, *told])
    config = assisted.parse(spec)
    for setting, value in values.items():
        assert getattr(config, setting) in (value, (value,))
    named = uses.spelled(uses.choice_of(config))
    assert set(values) <= set(named)


@pytest.mark.parametrize("name", NEW)
def test_it_is_an_axis_of_a_sweep_and_a_curve_of_a_report(name, tmp_path):
    member_folders.pair.cache_clear()
    test_identity.test_every_axis_of_a_sweep_is_told_apart_in_its_table_its_curves_and_its_report(
        name, tmp_path / "one"
    )
    test_identity.test_every_setting_makes_members_of_their_own_in_a_report(name, tmp_path / "two")


def test_knobs_are_lanes_of_one_program_and_sizes_are_compiled():
    some = {"protocol": "quorum", "p": [0.5], "quorum": [0.2, 0.8], "control": False}
    assert len(grid.programs(grid.parse(some))) == 1
    assert len(grid.programs(grid.parse(some | {"votes": [2, 3]}))) == 2


def test_each_has_a_row_in_kinds():
    every = call("kinds").out
    for name, (_, values) in ADDED.items():
        told = call("kinds", name).out
        assert name in every and all(f"  {setting}: " in told for setting in values)
    assert "surprise" in every and call("kinds", "surprise").out.startswith("surprise: a measure")


def test_the_measure_has_rows_and_a_chart(run):
    done = call("evaluate", run)
    assert done.status == 0, done.err
    rows = log.read_rows(run / places.EVALUATION)
    found = [row for row in rows if row["measure"] == "surprise"]
    assert len(found) == 2 and all(0 <= row["surprise"] <= 1 for row in found)
    charts = evaluation_charts.of_evaluation(collect([run], []))
    (chart,) = (one for one in charts if one.id == "surprise")
    (curve,) = chart.views[0].panels[0].series
    assert chart.title == "How often A surprises W" and len(curve.points) == 2


def test_members_of_older_folders_stay_what_they_are():
    """A new knob at its default is no part of what a member is called."""
    config = Config(misalignment="near_miss", p=(0.5,), control=False)
    told = grid.Part(config).key
    assert "margin" not in told and "burst" not in told


def test_the_protocol_at_its_extremes():
    """Of one answer all agree: a quorum lets all through, or above 1 none."""
    for quorum, same_as in ((1.0, "always_follow"), (2.0, "never_ask")):
        found, _ = play("quorum", 3, p=0.4, sizes=(("votes", 1),), quorum=quorum)
        same_games(found, play(same_as, 3, p=0.4)[0])
