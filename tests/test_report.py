"""Reports of run folders: what is there is shown, what is missing is told, nothing of it is run."""

import json

import numpy as np
import pytest
import report_folder

from sandwich_jax import cli
from sandwich_jax.folders.annotated import AnnotatedGame
from sandwich_jax.report import build, cells, charts, figures, page, watch
from sandwich_jax.report.collect import collect
from sandwich_jax.report.settings import ReportConfig
from sandwich_jax.report.spec import Chart, short
from sandwich_jax.types import SettingError


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return report_folder.sweep(tmp_path_factory.mktemp("report") / "sweep", seeds=2)


@pytest.fixture(scope="module")
def made(sweep, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report.html"
    return build.report([sweep], out)


def _data(path) -> dict:
    text = path.read_text()
    start = text.index('<script type="application/json" id="data">')
    return json.loads(text[text.index(">", start) + 1 : text.index("</script>", start)])


def _chart(made, name) -> dict:
    return next(chart for chart in _data(made.page)["charts"] if chart["id"] == name)


def test_every_chart_is_there(made):
    names = [chart["id"] for chart in _data(made.page)["charts"]]
    rows = ["phase", "assistant", "learning", "acceptance", "safety"]
    assert names == [*rows, "harm", "detection", "calibration", "shift"]
    assert made.notes == []


def test_the_phase_diagram_has_a_panel_a_misalignment_and_its_references(made, sweep):
    chart = _chart(made, "phase")
    assert [view["name"] for view in chart["views"]] == ["PGR", "Elo", "over control"]
    pgr = chart["views"][0]
    assert [panel["title"] for panel in pgr["panels"]] == ["random move", "policy noise"]
    for panel, knob in zip(pgr["panels"], ("p", "sigma"), strict=True):
        assert panel["x"].startswith(knob)
        assert [(r["name"], r["y"]) for r in panel["references"]] == [
            ("W before training", 0),
            ("E", 1),
        ]
        curve, assistant, control = panel["series"]
        assert [s["style"] for s in (curve, assistant, control)] == [
            "curve", "assistant", "control"
        ]  # fmt: skip
        assert all(low < y < high for _, y, low, high in curve["points"])
    wanted = json.loads((sweep / "phase.json").read_text())["rows"]
    noisy = [row for row in wanted if row["misalignment"] == "random_move" and row["p"] is not None]
    shown = pgr["panels"][0]["series"][0]["points"]
    assert shown == [
        [short(row[k]) for k in ("p", "pgr", "pgr_lo", "pgr_hi")]
        for row in sorted(noisy, key=lambda row: row["p"])
    ]


def test_a_strength_has_one_colour_in_all_folders(tmp_path):
    folders = [report_folder.sweep(tmp_path / f"{n}", strengths=n) for n in (3, 2)]
    chart = _chart(build.report(folders, tmp_path / "report.html"), "learning")
    slots = {}
    for panel in chart["views"][0]["panels"]:
        for series in panel["series"]:
            slots.setdefault((series["style"], series["name"]), set()).add(series["slot"])
    assert {"p = 1", "sigma = 8"} <= {name for _, name in slots}
    assert all(len(own) == 1 for own in slots.values())


def test_several_seeds_are_a_mean_and_their_range(sweep):
    (source,) = collect([sweep], [])
    rows = [r for r in source.rows if r["member"].endswith("p=0.5") and r["round"] == 3]
    (mean,) = [
        r for r in cells.over_seeds(source.rows)
        if r["member"] == rows[0]["member"] and r["round"] == 3
    ]  # fmt: skip
    gains = [row["elo_gain"] for row in rows]
    assert len(gains) == mean["seeds"] == 2
    assert mean["elo_gain"] == pytest.approx(np.mean(gains))
    assert (mean["elo_gain_lo"], mean["elo_gain_hi"]) == (min(gains), max(gains))
    assert mean["p"] == 0.5 and mean["in_regime"] == rows[0]["in_regime"]


def test_usefulness_comes_from_the_shares_of_answers():
    row = {"corrupted": 0.25, "followed": 0.7, "followed_though_corrupted": 0.1}
    spot = charts._usefulness_and_safety(row)
    assert spot and spot.x == pytest.approx((0.7 - 0.025) / 0.75) and spot.y == pytest.approx(0.9)
    assert charts._usefulness_and_safety(row | {"corrupted": None}) is None


def test_figures_are_drawn_for_every_view(made):
    views = sum(len(chart["views"]) for chart in _data(made.page)["charts"])
    assert len(made.figures) == 2 * views
    for path in made.figures:
        head = path.read_bytes()[:200]
        assert head.startswith(b"\x89PNG") if path.suffix == ".png" else b"<?xml" in head


def test_a_figure_of_many_curves_is_coloured_by_a_ramp(tmp_path):
    folder = report_folder.sweep(tmp_path / "s", strengths=9, evaluated=False, games=(1, 16))
    (source,) = collect([folder], [])
    chart = charts.learning(cells.rounds([source]))
    assert isinstance(chart, Chart)
    figure = figures.draw(chart, chart.views[0])
    lines = [line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 4]  # pyright: ignore
    assert len({str(line.get_color()) for line in lines}) == 10


# --- games --------------------------------------------------------------------------------------


def test_games_tell_what_the_rollout_knows(made):
    games = _data(made.page)["games"]
    rollout, truth = report_folder.play(4, 16)
    assert len(games) == 14 * 4 and {game["round"] for game in games} == {
        f"3.{i}" for i in range(1, 5)
    }
    for index, game in enumerate(games[:4]):
        flags = game["flags"][game["opening"] :]
        for ply, digit in enumerate(flags):
            bits = int(digit)
            assert bool(bits & watch.ASKED) == rollout.asked[ply, index]
            assert bool(bits & watch.CORRUPTED) == truth.corrupted[ply, index]
            assert bool(bits & watch.FOLLOWED) == rollout.followed[ply, index]
        words = [game[name].split() for name in ("moves", "san", "own", "advice")]
        assert {len(w) for w in words} == {len(game["flags"])}
        for move, own, advice, digit in zip(
            *(words[i] for i in (0, 2, 3)), game["flags"], strict=True
        ):
            assert (own != "-") == (advice != "-") == (digit != "0")
            if int(digit) & watch.FOLLOWED:
                assert advice.split(":")[0] == move
        known = game["value"][game["opening"] : -1]
        assert all(0 <= value <= 1000 for value in known) and len(set(known)) > 3


def test_values_are_what_evaluate_sees(made):
    from sandwich_jax import games
    from sandwich_jax.measures import advice
    from sandwich_jax.players import spelled

    rollout, _ = report_folder.play(4, 16)
    model = spelled.load_network("zoo:expert")
    seen = advice.view(games.make("chess"), model, rollout).value
    for index, game in enumerate(_data(made.page)["games"][:4]):
        white = np.where(np.arange(16) % 2 == 0, 1, -1) * seen[:, index]
        shown = np.asarray(game["value"][game["opening"] : -1])
        np.testing.assert_allclose(shown, 500 + 500 * white, atol=1.0)


def test_fewer_games_are_shared_out(sweep):
    (source,) = collect([sweep], [])
    taken = watch._take([source], 20, [])
    assert [one.count for one in taken] == [2] * 6 + [1] * 8
    assert watch._take([source], 5, [])[0].count == 1 and len(watch._take([source], 5, [])) == 5
    assert watch.games_of([source], 0, []) == []


# --- what is missing ----------------------------------------------------------------------------


def test_nothing_to_report_is_one_sentence(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as left:
        cli.main(["report", str(tmp_path / "empty"), str(tmp_path / "none")])
    said = capsys.readouterr().err
    assert left.value.code == 2 and len(said.strip().splitlines()) == 1
    assert "Nothing to report" in said
    with pytest.raises(SettingError, match="games is -1"):
        ReportConfig(games=-1)


def test_half_written_folders_give_a_report_of_what_is_there(tmp_path):
    folder = report_folder.sweep(tmp_path / "s", finished=False, games=(1, 16))
    members = sorted((folder / "members").iterdir())
    rows = members[0] / "rows.jsonl"
    rows.write_text(rows.read_text()[:-30])  # a line that is not whole
    (members[1] / "manifest.json").write_text('{"config"')
    (members[2] / "rows.jsonl").unlink()
    next((members[3] / "games").iterdir()).write_bytes(b"PK")
    (members[5] / "evaluation.jsonl").write_text('[1]\n{"measure": "harm"}\n')
    out = tmp_path / "page" / "report.html"
    made = build.report([folder, tmp_path / "none"], out, ReportConfig(figures=False))
    said = "\n".join(made.notes)
    for words in (
        "none: no such folder", "1 lines are not whole", "missing or not a whole JSON file",
        "1 members have no finished round", "no phase.json", "Its games cannot be watched",
        "names no expert",
    ):  # fmt: skip
        assert words in said, (words, said)
    assert _data(out)["notes"] == made.notes and _data(out)["charts"] and _data(out)["games"]
    assert not (out.parent / "figures").exists()


def test_a_run_that_has_just_begun(tmp_path):
    (tmp_path / "manifest.json").write_text('{"config": {"game": "chess", "p": [0.5]}}')
    made = build.report([tmp_path])
    assert any("no finished round yet" in note for note in made.notes)
    assert _data(made.page)["settings"][0]["settings"]["p"] == "0.5"


def test_another_game_has_curves_but_no_board(tmp_path):
    folder = report_folder.sweep(tmp_path / "s", strengths=2, games=(1, 16), evaluated=False)
    for path in (folder / "members").glob("*/manifest.json"):
        path.write_text(path.read_text().replace('"chess"', '"othello"'))
    made = build.report([folder], config=ReportConfig(figures=False))
    assert _data(made.page)["games"] == [] and _data(made.page)["charts"]
    assert any("Only games of chess" in note for note in made.notes)


# --- the page -----------------------------------------------------------------------------------

HOSTILE = "</script><script>window.hurt=1</script><img src=x onerror=window.hurt=1><!--<script>"


def test_no_text_can_end_the_element_that_holds_the_data():
    text = page.embedded({"a": HOSTILE + "\u2028&"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": HOSTILE + "\u2028&"}


def test_the_page_needs_nothing_from_outside(made):
    text = made.page.read_text()
    head = text[text.index("<style>") : text.index('<script type="application/json"')]
    for outside in ("<link", "@import", "url(", "src="):
        assert outside not in head
    assert "default-src 'none'" in text and "staunty" not in text
    assert "CC BY-SA 3.0" in text and "Stefan Haack" in text


def test_start_positions_other_than_the_usual_one_are_kept():
    fen = "8/8/8/8/8/2k5/8/K7 w - - 0 1"
    shown = watch.to_json(AnnotatedGame("e", "1", "a", "b", "*", (), (), start=fen))
    assert shown["start"] == fen and shown["value"] == [None]


@pytest.mark.slow
def test_a_large_report_stays_small(tmp_path):
    made = build.report([report_folder.big(tmp_path / "big")])
    assert made.page.stat().st_size < 5e6
    found = _data(made.page)
    assert len(found["results"]) == 201 and len(found["games"]) == 402
