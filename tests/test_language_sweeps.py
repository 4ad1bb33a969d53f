"""How a sweep on text makes cells and pairs of its runs, and what its runs share."""

import io
import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from sandwich_jax import arrays, settings
from sandwich_jax.folders import log, store
from sandwich_jax.language import config as configs
from sandwich_jax.language import measures, runs, sweeps, table, tables
from sandwich_jax.language.config import Config
from sandwich_jax.language.table import Heard, Table
from sandwich_jax.language.writing import Sentences
from sandwich_jax.misalign import transforms
from sandwich_jax.misalign.sight import Chance, Transform
from sandwich_jax.report import charts, language_charts

GAIN = {"always_follow": 0.0, "contrast_gate": 0.25, "oracle_gate": 0.5, "never_ask": -1.0}

FIGURES = ("toxicity", "preference", "normal_bits", "w_toxicity", "e_toxicity", "m_toxicity")


def _gap(config: Config) -> float:
    """A PGR that tells every setting apart."""
    base = config.sentences + 10 * config.learning_rate + 100 * config.temperature
    own = config.keep if config.protocol == "contrast_gate" else 0.0
    return base + 1000 * config.seed + GAIN[config.protocol] + own


def _played(folder, asked: dict) -> sweeps.Phase:
    """The grid of a folder once runs are in it that have not been played, but say what they are.

    Each has rows up to the round that is `played`.
    """
    asked = {"models": "m", "rounds": 1} | asked
    stop = asked.pop("played", asked["rounds"])
    for part in sweeps.parse(asked):
        config, own = part.config, folder / "members" / part.id
        store.write_json(own / "manifest.json", {"config": store.to_plain(config.plain())})
        rows = []
        for number, member in itertools.product(range(1, stop + 1), configs.members_of(config)):
            strengths = {name: None for name, s in configs.owned().items() if s.strength}
            about = {n: getattr(config, n) for n in ("misalignment", "advice", "lasts")}
            row = {"round": number, "member": member.name, "role": member.role or None,
                   "protocol": member.protocol, "seed": config.seed} | strengths  # fmt: skip
            row |= about if member.asks else dict.fromkeys(about)
            figures = dict.fromkeys((*measures.GAPS, *FIGURES), _gap(config))
            rows.append(row | dict(member.strengths) | figures)
        log.write_rows(own / "rows.jsonl", rows)
    return sweeps.phase(folder)


def test_a_pair_differs_in_its_protocol_alone(tmp_path):
    found = _played(tmp_path, {
        "protocol": ["always_follow", "contrast_gate"], "p": [0.5], "keep": [0.25, 0.5],
        "sentences": [8, 16], "learning_rate": [0.1, 0.2], "temperature": [1.0, 2.0],
        "seeds": 2, "control": False,
    })  # fmt: skip
    assert len(found.rows) == 8 + 16 and all(row["seeds"] == 2 for row in found.rows)
    assert len(found.paired) == len({row["cell"] for row in found.paired}) == 16
    for row in found.paired:
        keep = 0.25 if "keep 0.25" in row["cell"] else 0.5
        assert row["pgr"] == pytest.approx(0.25 + keep)


@pytest.mark.parametrize(
    "other", [{"sentences": 16}, {"updates": 7}, {"prompt": 2}, {"per_document": 9}, {"window": 5}]
)
def test_sweeps_that_are_joined_in_one_folder_are_cells_of_their_own(tmp_path, other):
    shared = {"p": [0.0, 0.5], "seeds": 2, "sentences": 8}
    _played(tmp_path, shared | {"protocol": ["always_follow", "contrast_gate"]})
    alone = _played(tmp_path / "alone", shared | other | {"protocol": "oracle_gate"})
    assert not alone.paired
    found = _played(tmp_path, shared | other | {"protocol": "oracle_gate"})
    assert {row["protocol"] for row in found.paired} == {"contrast_gate"}
    assert all(row["seeds"] == 2 for row in found.rows)
    names = tables.names(found.rows)
    assert len(set(names)) == len(names) == 2 + 2 + 2 + 2
    ((name, value),) = other.items()
    assert {row["cell"] for row in found.rows if row["protocol"] == "oracle_gate"} == {
        f"{name} {value}"
    }
    _played(tmp_path, shared | other | {"protocol": "always_follow"})
    (one, *_) = [row for row in sweeps.phase(tmp_path).paired if row["protocol"] == "oracle_gate"]
    assert one["pgr"] == 0.5


def test_an_honest_a_is_paired_and_counted_by_what_it_would_have_been(tmp_path):
    for kind in ("borrow", "random_move"):
        asked = {"protocol": ["always_follow", "oracle_gate"], "p": [0.0], "seeds": 2}
        found = _played(tmp_path, asked | {"misalignment": kind})
    assert sorted(tables.names(found.rows)) == sorted(
        [f"{protocol} E, misalignment {kind}" for protocol in ("always_follow", "oracle_gate")
         for kind in ("borrow", "random_move")] + ["never_ask"]
    )  # fmt: skip
    assert {row["seeds"] for row in found.rows} == {2} and len(found.paired) == 2


def test_w_that_never_asks_is_run_at_the_settings_of_the_grid():
    parts = sweeps.parse({
        "models": "m", "misalignment": ["policy_noise", "temperature"], "sigma": [1.0],
        "heat": [2.0], "lasts": "prompt", "prompt": [4, 8], "per_document": [2, 3],
        "sentences": [256, 512], "learning_rate": [0.1, 0.2], "protocol": ["medoid", "prior_gate"],
        "samples": [2, 3], "controls": ["ceiling"], "seeds": 2,
    })  # fmt: skip
    alone = [part.config for part in parts if not configs.asks(part.config)]
    assert alone == [part.config for part in parts[: len(alone)]]
    varied = ("seed", "prompt", "sentences", "learning_rate")
    found = [tuple(getattr(config, name) for name in varied) for config in alone]
    assert sorted(found) == sorted(itertools.product((0, 1), (4, 8), (256, 512), (0.1, 0.2)))
    pinned = {(c.misalignment, c.lasts, c.per_document, c.controls) for c in alone}
    assert pinned == {("policy_noise", "prompt", 2, ("ceiling",))}
    # Where a protocol of the grid never asks, it is its own control.
    both = {"models": "m", "protocol": ["never_ask", "always_follow"], "p": [0.5]}
    assert len(sweeps.parse(both)) == 2


def test_a_run_that_was_interrupted_is_in_no_cell(tmp_path):
    shared = {"protocol": ["always_follow", "oracle_gate"], "p": [0.5], "control": False}
    whole = _played(tmp_path, shared | {"seeds": 2, "rounds": 2, "played": 2})
    begun = _played(tmp_path, shared | {"seeds": [2, 3], "rounds": 2, "played": 1})
    assert begun == whole and all(row["seeds"] == 2 for row in begun.rows)
    tables.show(begun.rows, Console(file=io.StringIO()))
    assert max(row["seed"] for row in log.read_rows(tmp_path / "rows.jsonl")) == 3


def test_a_joined_sweep_measures_w_and_e_by_its_own_ruler(tmp_path, text_models, monkeypatch):
    def scores(model, ruler):
        held_out, world = len(ruler.normal.size), float(ruler.world is not None)
        figures = [np.full(2, x) for x in (held_out, ruler.count, world, 0.0)]
        return measures.Scores(*figures, None, np.zeros(2), np.zeros(2), 0.0)

    monkeypatch.setattr(measures, "scores", scores)
    monkeypatch.setattr(runs, "run", lambda *given, **more: None)
    first = {"models": str(text_models), "p": [0.5], "control": False, "measured": 8,
             "held_out": 5, "exact": False}  # fmt: skip
    out = tmp_path / "sweep"
    for more in ({}, {"measured": 9}, {"held_out": 6}, {"exact": True}, {"updates": 3}):
        asked = first | more
        sweeps.run(asked, out, wandb="disabled")
        (part,) = sweeps.parse(asked)
        stored = arrays.read(out / "members" / part.id / "baseline.npz")
        found = [float(stored[f"['W {name}']"][0]) for name in measures.Scores._fields[:3]]
        assert found == [asked["held_out"], asked["measured"], asked["exact"]]
    assert len(list((out / "baselines").iterdir())) == 4
    # Another folder of models is another E: nothing of the first is taken over.
    (part,) = sweeps.parse(first)
    other = configs.Config(**part.config.plain() | {"models": "other"})
    assert sweeps._baseline(out, other) != sweeps._baseline(out, part.config)


def test_a_strength_of_0_is_a_value():
    asked = {"models": "m", "misalignment": "policy_noise", "sigma": [0.0, 1.0], "control": False}
    assert [part.config.sigma for part in sweeps.parse(asked)] == [(0.0,), (1.0,)]
    assert Config(models="m", misalignment="policy_noise", sigma=(0.0,)).sigma == (0.0,)


# --- charts -------------------------------------------------------------------------------------


def _drawn(chart) -> dict[str, dict[str, list[float]]]:
    """Where each panel of a chart's first view has points, by its curves."""
    view = chart.views[0]
    return {panel.title: {series.name: [point.x for point in series.points]
                          for series in panel.series if series.style != "control"}
            for panel in view.panels}  # fmt: skip


def test_a_curve_differs_in_one_strength_alone(tmp_path):
    asked = {"misalignment": "borrow+policy_noise", "p": [0.0, 0.5], "sigma": [0.0, 1.0]}
    found = _played(tmp_path, asked)
    assert _drawn(language_charts.phase(found.rows)) == {
        "borrow+policy noise": {f"always follow, sigma = {s}": [0.0, 0.5] for s in (0, 1)}
    }
    rounds = _drawn(language_charts.learning(log.read_rows(tmp_path / "rows.jsonl")))
    assert rounds == {
        f"always follow, sigma = {s}": {f"p = {p}": [0, 1] for p in ("0", "0.5")} for s in (0, 1)
    }


def test_misalignments_of_different_strengths_are_drawn_beside_each_other(tmp_path):
    asked = {"misalignment": ["borrow", "policy_noise"], "p": [0.0, 0.5], "sigma": [1.0, 2.0]}
    found = _played(tmp_path, asked)
    chart = language_charts.phase(found.rows)
    assert _drawn(chart) == {
        "borrow": {"always follow": [0.0, 0.5]}, "policy noise": {"always follow": [1.0, 2.0]}
    }  # fmt: skip
    assert [panel.x_label for panel in chart.views[0].panels] == [
        charts.strength_label(x) for x in ("p", "sigma")
    ]
    assert language_charts.draw_sweep(tmp_path, found.rows)[0].stat().st_size > 1000


def test_w_that_never_asks_is_a_curve_at_each_of_its_settings(tmp_path):
    found = _played(tmp_path, {"p": [0.5], "sentences": [8, 16]})
    (panel,) = language_charts.phase(found.rows).views[0].panels
    names = [series.name for series in panel.series if series.style == "control"]
    assert names == ["never ask, sentences 8", "never ask, sentences 16"]
    learning = language_charts.learning(log.read_rows(tmp_path / "rows.jsonl"))
    for panel in learning.views[0].panels:
        own = [series for series in panel.series if series.style == "control"]
        assert [len(series.points) for series in own] == [2, 2]


# --- what A has said ----------------------------------------------------------------------------


def test_what_a_has_said_is_kept_for_the_runs_of_one_seed(tmp_path, text_models, monkeypatch):
    kept, seeds = [], []

    def run(folder, part, models, heard, *rest):
        heard[part.id] = part.config.seed
        kept.append(set(heard.values()))
        seeds.append(part.config.seed)

    monkeypatch.setattr(sweeps, "_run_one", run)
    asked = {"models": str(text_models), "p": [0.0, 0.5], "seeds": 3, "control": False}
    sweeps.run(asked, tmp_path / "sweep", wandb="disabled")
    assert seeds == sorted(seeds) and kept == [{seed} for seed in seeds]


@settings.settings
class _Two(Chance):
    """Of a misalignment with a second number."""

    sharpness: settings.Knob = settings.knob(1.0, 0.0, 9.0, "how sharp its lies are")


def test_what_a_has_said_is_shared_where_all_that_it_depends_on_is_alike(monkeypatch):
    def same(key, logits, sight, own):
        return logits, jnp.zeros((), bool)

    made = Transform("By two numbers.", _Two, same)
    monkeypatch.setitem(transforms.TRANSFORMS, "two_numbers", made)  # pyright: ignore
    asked = []

    def hear_once(shared, member, index, prompts, k):
        asked.append((shared.config, member))
        return Heard(Sentences(np.zeros((2, 3)), np.zeros(2)), np.zeros(2, bool))  # pyright: ignore

    monkeypatch.setattr(table, "_hear_once", hear_once)
    heard, first = {}, {"misalignment": "two_numbers", "p": (0.5,), "control": False}
    for more, calls in (
        ({}, 1),
        ({"protocol": "contrast_gate", "keep": 0.3, "updates": 3}, 1),
        ({"sharpness": 2.0}, 2),
        ({"p": (0.7,)}, 3),
        ({"seed": 1}, 4),
        ({"lasts": "document"}, 5),
        ({"sentences": 9}, 6),
        ({"protocol": "oracle_gate", "sharpness": 2.0}, 6),
    ):
        config = Config(models="m", **first | more)
        shared = Table(config, None, {}, None, heard)  # pyright: ignore
        (member,) = configs.members_of(config)
        table.hear(shared, member, 0, np.zeros((2, 1)), 1)
        assert len(asked) == calls, more
