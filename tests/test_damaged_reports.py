"""A report of damaged folders: a note for each thing that is wrong, and all else is shown."""

import json

import member_folders
import pytest
from hostile.common import call

from sandwich_jax import grid
from sandwich_jax.folders import store
from sandwich_jax.measures import of_games
from sandwich_jax.report import build, cells, charts, figures
from sandwich_jax.report.collect import collect
from sandwich_jax.report.settings import ReportConfig

WHOLE = {"p": [0.0, 0.5], "seeds": 2, "rounds": 1}
QUIET = ReportConfig(games=0, figures=False)


@pytest.fixture
def sweep(tmp_path):
    """A finished sweep: three cells, two seeds."""
    folder = tmp_path / "sweep"
    store.write_json(folder / "manifest.json", {"sweep": WHOLE, "device": "1 x cpu"})
    for part in grid.parse(WHOLE):
        row = member_folders.figures(part.config, 10.0 + part.config.seed)
        member_folders.write(folder / "members" / part.id, part.config, row)
    rows = [member_folders.figures(own[0].config) for own in grid.cells(grid.parse(WHOLE)).values()]
    crossing = {"protocol": "always_follow", "misalignment": "random_move", "strength": "p",
                "gain_over_control_0": None, "pgr_half": {"text": "0.4"}}  # fmt: skip
    store.write_json(folder / "phase.json", {"rows": rows, "critical": [crossing]})
    return folder


def _report(folder):
    """The report's data and its notes."""
    made = build.report([folder], config=QUIET)
    text = made.page.read_text()
    start = text.index('<script type="application/json" id="data">')
    data = json.loads(text[text.index(">", start) + 1 : text.index("</script>", start)])
    assert data["notes"] == made.notes
    return data, " | ".join(made.notes)


def _change(path, change):
    value = json.loads(path.read_text())
    path.write_text(json.dumps(change(value)))


def test_a_whole_folder_has_no_notes(sweep):
    data, notes = _report(sweep)
    assert not notes and len(data["results"]) == 3 and len(data["critical"]) == 1


TORN = ("null", "[]", "3", '"run"', "", "\0\0\0", '{"config": null}', '{"config": [1]}')


@pytest.mark.parametrize("text", [*TORN, '{"sweep": null, "versions": null}'])
def test_manifests_of_anything(sweep, text):
    (sweep / "manifest.json").write_text(text)
    data, notes = _report(sweep)
    assert len(data["results"]) == 3
    assert not notes if text.startswith("{") else "manifest.json" in notes
    (one, *_) = sorted((sweep / "members").iterdir())
    (one / "manifest.json").write_text(text)
    (sweep / "phase.json").unlink()
    assert len(_report(sweep)[0]["results"]) >= 3


@pytest.mark.parametrize("text", TORN)
def test_a_manifest_alone_is_one_sentence_or_a_note(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    done = call("report", tmp_path)
    assert done.status == 0 and "no finished round yet" in done.out + done.err


@pytest.mark.parametrize(
    ("change", "says", "results", "crossings"),
    [
        (lambda x: None, "not a JSON object", 3, 0),
        (lambda x: {}, "", 3, 0),
        (lambda x: x | {"rows": None}, "rows is no list", 3, 1),
        (lambda x: x | {"rows": {"a": 1}}, "rows is no list", 3, 1),
        (lambda x: x | {"rows": [None, *x["rows"]]}, "1 rows lack", 3, 1),
        (lambda x: x | {"rows": [None, None]}, "2 rows lack", 3, 1),
        (lambda x: x | {"rows": [*x["rows"], [], 3, "row", {}]}, "4 rows lack", 3, 1),
        (lambda x: x | {"critical": None}, "critical is no list", 3, 0),
        (lambda x: x | {"critical": [None, {}, *x["critical"]]}, "2 crossings are damaged", 3, 1),
        (lambda x: x | {"critical": [x["critical"][0] | {"pgr_half": 3}]}, "damaged", 3, 0),
    ],
)
def test_grids_of_anything(sweep, change, says, results, crossings):
    _change(sweep / "phase.json", change)
    data, notes = _report(sweep)
    assert len(data["results"]) == results and len(data["critical"]) == crossings
    assert says in notes if says else not notes


@pytest.mark.parametrize("value", ["12", "", [], {}, True, 10**400, 1e300])
def test_figures_that_are_no_numbers_are_left_out_and_told(sweep, value):
    names = ("elo_gain", "pgr_lo", "a_elo", "followed", "assisted_score")
    _change(sweep / "phase.json", lambda x: x | {"rows": [
        x["rows"][0], x["rows"][1] | dict.fromkeys(names, value), x["rows"][2]]})  # fmt: skip
    data, notes = _report(sweep)
    whole, damaged, other = data["results"]
    assert "no numbers" in notes and all(name in notes for name in names)
    assert damaged["elo_gain"][0] is None and damaged["pgr"][0] == 0.1
    assert whole["elo_gain"][0] == other["elo_gain"][0] == 10 and data["charts"]


@pytest.mark.parametrize(
    "change",
    [
        {"round": "1"}, {"round": None}, {"round": 1.5}, {"round": True}, {"member": 3},
        {"protocol": None}, {"protocol": {}}, {"misalignment": ["random_move"]},
    ],
)  # fmt: skip
def test_rows_that_do_not_say_whose_they_are_are_left_out(sweep, change):
    (sweep / "phase.json").unlink()
    paths = sorted((sweep / "members").glob("*/rows.jsonl"))
    row = json.loads(paths[0].read_text())
    paths[0].write_text(json.dumps(row) + "\n" + json.dumps(row | change) + "\n")
    data, notes = _report(sweep)
    assert "1 rows lack" in notes and len(data["results"]) == 3


@pytest.mark.parametrize("name", ["p", "tau", "lasts", "schedule", "role", "seeds", "in_regime",
                                  "pgr_verdict", "run", "every", "network"])  # fmt: skip
@pytest.mark.parametrize("value", ["x", 3, None, [1], {"a": 1}, float("nan"), "\ud800", "a\nb"])
def test_a_column_of_anything_is_no_traceback(sweep, name, value):
    for path in (sweep / "members").glob("*/rows.jsonl"):
        row = json.loads(path.read_text()) | {name: value}
        path.write_text(json.dumps(row) + "\n")
    _change(sweep / "phase.json", lambda x: x | {"rows": [r | {name: value} for r in x["rows"]]})
    data, _ = _report(sweep)
    assert len(data["results"]) == 3
    (sweep / "phase.json").unlink()
    data, _ = _report(sweep)
    assert 0 < len(data["results"]) <= 6


def test_evaluations_of_anything(sweep):
    (one, *_) = sorted((sweep / "members").glob("always_follow*"))
    name = json.loads((one / "rows.jsonl").read_text())["member"]
    curve = {"usefulness": [0.0, 1.0], "safety": [1.0, 0.0], "threshold": [0.0, 1.0]}
    about = {"network": "W", "score": "advised"}
    detection = about | {"measure": "detection", "auc": 0.7, "curve": curve}
    calibration = about | {"measure": "calibration", "ece": 0.1, "stated": [0.1], "came": [0]}
    shift = {"measure": "shift", "player": name, "phase": "all", "kl_to_start": 0.4}
    harm = {"measure": "harm", "harm": 0.1, "harm_lo": 0.0, "harm_hi": 0.2}
    whole = [
        row | {"subject": name, "settings": {}} for row in (detection, calibration, shift, harm)
    ]
    damaged = [
        row | {"subject": name} | change
        for row, changes in (
            (detection, ({"curve": None}, {"auc": "high"}, {"curve": curve | {"safety": [1.0]}},
                         {"curve": {}}, {"network": None})),
            (calibration, ({"stated": 3}, {"came": ["x"]}, {"ece": None}, {"came": []})),
            (shift, ({"player": None}, {"player": []}, {"kl_to_start": "far"})),
            (harm, ({"harm": "much"}, {"harm_lo": []}, {"subject": {}})),
        )
        for change in changes
    ]  # fmt: skip
    rows = [*whole, *damaged, None, 3, [], {"measure": []}, {"measure": {}, "subject": name}]
    (one / "evaluation.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data, notes = _report(sweep)
    assert f"{len(damaged)} rows are damaged" in notes
    charts = {chart["id"] for chart in data["charts"]}
    assert {"detection", "calibration", "shift", "harm"} <= charts


def test_a_figure_needs_room_in_a_chart():
    assert [of_games.is_number(x) for x in (1, -2.5, True, "1", None, 1e10, float("nan"))] == [
        True, True, False, False, False, False, False
    ]  # fmt: skip


def test_names_are_no_formulas(tmp_path):
    for name in (r"a $\frac$", "b $_$"):
        one = grid.parse({"p": [0.5], "control": False})[0].config
        member_folders.write(tmp_path / name, one, member_folders.figures(one))
    chart = charts.phase(cells.cells(collect(list(tmp_path.iterdir()), [])))
    assert chart is not None and "a $" in str(chart) and "b $_$" in str(chart)
    figures.draw(chart, chart.views[0]).draw_without_rendering()


def test_the_same_folder_twice_is_one(sweep):
    sources = collect([sweep, sweep / ".." / "sweep"], [])
    assert len(sources) == 1 and len(cells.cells(sources)) == 3
