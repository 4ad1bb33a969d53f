"""What is declared is what people are told: the page of settings, kinds by name, joined kinds."""

import pathlib

import pytest
from helpers import script
from hostile.common import call

from sandwich_jax import catalogue, grid, settings, uses
from sandwich_jax.config import Config
from sandwich_jax.language import on_text
from sandwich_jax.members import knobs_of, members_of
from sandwich_jax.misalign import transforms
from sandwich_jax.types import SettingError

ROOT = pathlib.Path(__file__).parents[1]
JOINED = {"misalignment": "sandbag+random_move", "control": False}


def test_the_page_of_settings_is_what_is_declared():
    page = script("settings_page")
    text = (ROOT / "docs/settings.md").read_text()
    assert page.made() in text, "run python experiments/settings_page.py"


def test_every_kind_says_what_it_does():
    every = [*catalogue.entries(), *on_text.entries()]
    assert len({(one.part, one.name) for one in every}) == len(every) > 50
    for one in every:
        assert one.says.endswith(".") and len(one.says) < 100, one.name
    told = [s for own in every for s in own.settings.values()]
    assert all(s.says and s.range for s in told)
    assert {one.part for one in every} == {
        "misalignment", "schedule", "protocol", "objective", "protocol on text", "measure"
    }  # fmt: skip


def test_a_kind_by_name():
    told = call("kinds", "prior_gate").out
    assert "  tau: least probability by W" in told and "[0, 2]; by default 0.05; traced" in told
    assert "prior_gate: a protocol on text." in told and "  keep: share of A's" in told
    done = call("kinds", "hope")
    assert done.status == 2 and "Unknown kind 'hope': there are" in done.err
    assert "did you mean prior_gate" in call("kinds", "prior_gaet").err


def test_joined_kinds_have_strengths_of_their_own():
    config = Config(**JOINED, **{"sandbag.p": (0.25, 0.5), "random_move.p": (0.0,)})
    first, second = members_of(config)
    assert first.strengths == (("sandbag.p", 0.25), ("random_move.p", 0.0))
    assert second.name == "always_follow sandbag+random_move sandbag.p=0.5 random_move.p=0"
    knobs = knobs_of(config, second, 0.5)
    names = transforms.parse(config.misalignment)
    assert [float(transforms.own_settings(name, knobs).p) for name in names] == [0.5, 0.0]


def test_a_sweep_s_file_has_a_table_a_kind():
    table = JOINED | {"sandbag": {"p": [0.25, 0.5]}, "random_move": {"p": [0.1]}}
    parts = grid.parse(table)
    assert parts == grid.parse(JOINED | {"sandbag.p": [0.25, 0.5], "random_move.p": [0.1]})
    assert len(parts) == 2 and len(grid.programs(parts)) == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"p": (0.5,)}, "p could be meant for sandbag.p or random_move.p: give each its own"),
        ({"sandbag.p": (0.5,)}, "needs random_move.p: give at least one value"),
        ({"sandbag.p": (0.5,), "random_move.p": (2.0,)}, "random_move.p is 2: it must be between"),
        (
            {"sandbag.p": (0.5,), "random_move.p": (0.1,), "borrow.p": (0.5,)},
            "borrow.p is set, but misalignment is 'sandbag.random_move', not borrow",
        ),
    ],
)
def test_what_joined_kinds_refuse(given, says):
    with pytest.raises(SettingError, match=says):
        Config(**JOINED, **given)


def test_a_long_name_is_a_short_one_where_it_is_plain():
    assert Config(**{"random_move.p": (0.3,)}) == Config(p=(0.3,))
    with pytest.raises(SettingError, match=r"p is given twice, also as random_move\.p"):
        Config(**{"p": (0.3,), "random_move.p": (0.4,)})


def test_two_kinds_may_not_mean_different_things_by_one_name(monkeypatch):
    @settings.settings
    class Other:
        tau: settings.Knob = settings.knob(0.5, 0.0, 1.0, "something else")

    own = transforms.TRANSFORMS["random_move"]
    monkeypatch.setitem(transforms.TRANSFORMS, "other", own._replace(settings=Other))
    with pytest.raises(TypeError, match="declares tau with another type or default"):
        uses.owned()
