"""What members differ in tells them apart in reports, tables and curves: every setting there is.

The tests go over the configuration and the axes of sweeps by themselves.
"""

import functools
import json

import member_folders
import pytest
from rich.console import Console

from sandwich_jax import config as configs
from sandwich_jax import grid, identity, uses
from sandwich_jax.folders import store
from sandwich_jax.measures import elo
from sandwich_jax.members import Config, strength_names
from sandwich_jax.report import build, cells, charts
from sandwich_jax.report.collect import collect
from sandwich_jax.running import phase, phase_pictures, result_tables

AXES = tuple(name for name in grid.axes() if name != "seeds")


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(phase.elo, "fit", functools.partial(elo.fit, resamples=4))


def _folder(place, configs, rows=None):
    store.write_json(place / "manifest.json", {"sweep": {}})
    for index, config in enumerate(configs):
        row = rows[index] if rows else member_folders.figures(config, 10.0 * index)
        member_folders.write(place / "members" / f"{index}", config, row)
    return place


def _grouped(found):
    """Names of all curves and controls."""
    groups = cells.groups(found)
    controls = [row for row in found if cells.is_control(row)]
    curves = [f"{g.misalignment}: {c.name}" for g in groups for c in g.curves]
    return curves + [cells.control_name(row, controls) for row in controls]


@pytest.mark.parametrize("name", member_folders.names())
def test_every_setting_makes_members_of_their_own_in_a_report(name, tmp_path):
    pair = member_folders.pair(name)
    # Rows of runs tell few settings; manifests have them all.
    rows, untold = [], {*AXES} - {*identity.KINDS, *strength_names()}
    for index, config in enumerate(pair):
        row = member_folders.figures(config) | {"pgr": 0.1 * index}
        rows.append({n: value for n, value in row.items() if n not in untold})
    (source,) = collect([_folder(tmp_path / "sweep", pair, rows)], [])
    found = cells.cells([source])
    assert len(found) == len(cells.rounds([source])) == 2
    assert sorted(row["pgr"] for row in found) == [0.0, 0.1]
    if name in strength_names():
        (group,) = cells.groups(found)
        assert group.knob == name and [len(c.rows) for c in group.curves] == [2]
        return
    names = _grouped(found)
    assert len(set(names)) == 2, names
    told = [row["settings"] for row in build._results(found)]
    assert len(set(told)) == 2 or name in identity.KINDS, told
    words = f"{name} ".replace("_", " ")
    if name not in identity.KINDS:  # and nothing else is told
        assert all(words in one and one.count(",") == 0 for one in told if one), told


def _swept(name):
    """A sweep along an axis, at two strengths where that is another one."""
    one, other = member_folders.pair(name)
    settings = member_folders.plain(one) | {name: [_value(c, name) for c in (one, other)]}
    strengths = [n for n in strength_names() if n in settings and n != name]
    return settings | {n: [0.1, 0.2] for n in strengths} | {"rounds": 1, "seeds": 1}


def _value(config, name):
    value = getattr(config, name)
    return value[0] if isinstance(value, tuple) else value


def _printed(tables):
    console = Console(width=1000, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for table in tables:
        console.print(table)
    return console.export_text().splitlines()


@pytest.mark.parametrize("name", AXES)
def test_every_axis_of_a_sweep_is_told_apart_in_its_table_its_curves_and_its_report(name, tmp_path):
    settings = _swept(name)
    parts = grid.parse(settings)
    values = {getattr(part.config, name) for part in parts}
    assert len(values) == 2 and len({part.id for part in parts}) == len(parts)
    for index, part in enumerate(parts):
        row = member_folders.figures(part.config, 10.0 * index)
        member_folders.write(tmp_path / "members" / part.id, part.config, row)
    found = phase.phase(tmp_path, parts)
    store.write_json(tmp_path / "phase.json", store.to_plain(found._asdict()))
    store.write_json(tmp_path / "manifest.json", {"sweep": settings})

    assert len(found.rows) == len(parts)
    lines = _printed(result_tables.sweep_tables(found.rows, found.critical)[:1])
    assert len({line for line in lines if "│" in line}) == len(parts), lines
    curves = [json.dumps({k: v for k, v in e.items() if k != "pgr_half"}) for e in found.critical]
    pictures = {
        f"{e['misalignment']}-{e['protocol']}{phase_pictures._rest(e)}" for e in found.critical
    }
    assert len(pictures) == len(curves)
    for entry in found.critical:
        own = [row for row in found.rows if phase_pictures._on_curve(row, entry)]
        asking = [row for row in own if row["protocol"] != "never_ask"]
        assert len({identity.of_row(row | {entry["strength"]: None}) for row in asking}) == 1

    notes: list[str] = []
    (source,) = collect([tmp_path], notes)
    assert not notes and len(source.grid) == len(parts)
    assert len(set(_grouped(source.grid))) == len(curves) + sum(map(cells.is_control, source.grid))
    told = [build._crossing(entry, source) for entry in source.critical]
    texts = {(t["misalignment"], t["protocol"], t["strength"], t["settings"]) for t in told}
    assert len(texts) == len(told)


def test_a_setting_that_comes_later_is_told_apart_as_well(tmp_path):
    """Whatever a manifest holds, also what this version knows nothing of."""
    one = Config(p=(0.5,), control=False)
    folder = _folder(tmp_path / "sweep", [one, one])
    for index in range(2):
        path = folder / "members" / f"{index}" / "manifest.json"
        config = json.loads(path.read_text())["config"] | {"mood": ["sour", "sweet"][index]}
        store.write_json(path, {"config": config})
    (source,) = collect([folder], [])
    assert _grouped(cells.cells([source])) == [
        "random_move: always follow, mood sour", "random_move: always follow, mood sweet"
    ]  # fmt: skip


def test_names_tell_only_what_differs_and_only_where_it_is_of_use(tmp_path):
    settings = {"protocol": ["always_follow", "prior_gate"], "p": [0.5], "tau": [0.1, 0.2]}
    configs = [part.config for part in grid.parse(settings | {"control": False})]
    (source,) = collect([_folder(tmp_path / "sweep", configs)], [])
    assert sorted(_grouped(source.last)) == [
        "random_move: always follow",
        "random_move: prior gate, tau 0.1",
        "random_move: prior gate, tau 0.2",
    ]


def test_seeds_are_still_one_curve(tmp_path):
    configs = [part.config for part in grid.parse({"p": [0.5], "seeds": 3, "control": False})]
    (source,) = collect([_folder(tmp_path / "sweep", configs)], [])
    (row,) = cells.cells([source])
    assert row["seeds"] == 3 and row["elo_gain"] == 10.0


def test_folders_from_before_some_settings_came_are_still_reported(tmp_path):
    """Manifests and rows that lack what was added since, and name an A where there is none."""
    configs = [part.config for part in grid.parse({"p": [0.0, 0.5], "seeds": 2})]
    old = {"game", "expert", "weak", "network", "misalignment", "p", "sigma", "protocol", "seed"}
    folder = _folder(tmp_path / "sweep", configs)
    for path in folder.glob("members/*"):
        config = json.loads((path / "manifest.json").read_text())["config"]
        store.write_json(
            path / "manifest.json", {"config": {n: config[n] for n in old if n in config}}
        )
        row = json.loads((path / "rows.jsonl").read_text())
        for name in ("role", "lasts", "schedule", "results", "tau", "every", "eps"):
            row.pop(name)
        row |= {"misalignment": "random_move", "a_elo": 500.0}
        (path / "rows.jsonl").write_text(json.dumps(row))
    (source,) = collect([folder], [])
    found = cells.cells([source])
    assert [row["seeds"] for row in found] == [2, 2, 2]
    assert _grouped(found) == ["random_move: always follow", "never asks (control)"]


def test_a_grid_that_does_not_tell_its_rows_apart_gives_way_to_its_members(tmp_path):
    settings = {"p": [0.5], "schedule": "every_nth", "nth": [2, 3], "control": False}
    configs = [part.config for part in grid.parse(settings)]
    folder = _folder(tmp_path / "sweep", configs)
    rows = [member_folders.figures(config) for config in configs]
    for row in rows:
        del row["nth"]
    store.write_json(folder / "phase.json", {"rows": rows, "critical": []})
    notes: list[str] = []
    (source,) = collect([folder], notes)
    assert source.grid == [] and "does not tell all" in notes[0]
    assert sorted(_grouped(cells.cells([source]))) == [
        "random_move: always follow, nth 2", "random_move: always follow, nth 3"
    ]  # fmt: skip


def test_each_a_has_a_line_of_its_own(tmp_path):
    settings = {"p": [0.1, 0.5], "schedule": "every_nth", "nth": [2, 3], "control": False}
    configs = [part.config for part in grid.parse(settings)]
    (source,) = collect([_folder(tmp_path / "sweep", configs)], [])
    (group,) = cells.groups(cells.cells([source]))
    assert [s.name for s in charts._assistants([group], elo=True)[0]] == [
        "A itself, nth 2", "A itself, nth 3"
    ]  # fmt: skip


def test_folders_that_are_called_alike_stay_apart(tmp_path):
    config = Config(p=(0.5,), control=False)
    places = [tmp_path / name / "out" for name in ("one", "two")]
    for place in places:
        member_folders.write(place, config, member_folders.figures(config))
    sources = collect([*places, places[0]], [])
    assert [source.name for source in sources] == ["one/out", "two/out"]
    assert len(_grouped(cells.cells(sources))) == 2


def test_every_setting_that_a_kind_declares_is_one_of_a_run():
    for part, own in uses.kinds().items():
        for kind, declared in own.items():
            assert declared.uses <= set(configs.names()), (part, kind)
    assert {*configs.traced()} - {"learning_rate", "temperature", "kl"} <= uses.conditional()
