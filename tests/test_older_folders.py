"""Folders that an earlier version left half-done are continued, reported and evaluated.

folders_of_version_1.zip holds a run and a sweep of tic-tac-toe of two rounds, stopped after the
first, as version 0.1.0 wrote them when settings stood in one flat list; and the rows that it had
written in the end.
"""

import json
import pathlib
import zipfile

import numpy as np
import pytest

import sandwich_jax
from sandwich_jax.evaluation import evaluate
from sandwich_jax.folders import log
from sandwich_jax.report import build
from sandwich_jax.report.settings import ReportConfig
from sandwich_jax.running import run_folder, sweep_folder

PACKED = pathlib.Path(__file__).parent / "folders_of_version_1.zip"
SMALL = {
    "game": "tic_tac_toe", "expert": "fresh:1", "weak": "fresh:2", "rounds": 2, "games": 8,
    "lanes": 8, "max_plies": 8, "arena_max_plies": 8, "updates": 2, "batch": 8, "window": 1,
    "round_openings": 4, "final_openings": 4, "protocol": "prior_gate",
}  # fmt: skip
SWEEP = SMALL | {"tau": [0.1], "p": [0.5], "seeds": 1, "control": True}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Both, continued to their end; and all rows by member and round, as the version had them."""
    place = tmp_path_factory.mktemp("older")
    with zipfile.ZipFile(PACKED) as packed:
        packed.extractall(place)
    before = {path: path.stat().st_mtime_ns for path in place.glob("sweep/members/*/arena/*.npz")}
    config = sandwich_jax.Config(**SMALL, tau=0.1, p=(0.5,), control=False)
    run_folder.run(config, place / "run", wandb="disabled")
    sweep_folder.run(SWEEP, place / "sweep", wandb="disabled")
    kept = [path for path, changed in before.items() if path.stat().st_mtime_ns == changed]
    return place, kept


def _rows(path):
    return {(row["member"], row["round"]): row for row in log.read_rows(path)}


@pytest.mark.parametrize("name", ["run", "sweep"])
def test_they_are_continued(folders, name):
    place, _ = folders
    found, expected = _rows(place / name / "rows.jsonl"), _rows(place / f"expected/{name}.jsonl")
    assert found.keys() == expected.keys()
    for key, row in found.items():
        old = expected[key]
        assert set(old) <= set(row)
        same = ("protocol", "misalignment", "role", "p", "tau", "schedule", "arena_games", "seed")
        assert [row.get(n) for n in same] == [old.get(n) for n in same]
        if key[1] == 1:  # played then
            assert {n: row[n] for n in old if n != "seconds"} == {
                n: value for n, value in old.items() if n != "seconds"
            }
        # Other processors round otherwise.
        np.testing.assert_allclose(row["policy_loss"], old["policy_loss"], rtol=0.05)


def test_members_keep_their_folders(folders):
    place, kept = folders
    assert len(list((place / "sweep/members").iterdir())) == 2
    # The control was done, and is not played again.
    assert sum("never_ask" in path.parents[1].name for path in kept) == 2


def test_they_are_reported_and_evaluated(folders):
    place, _ = folders
    quiet = ReportConfig(games=0, figures=False)
    made = build.report([place / "run", place / "sweep"], place / "report.html", quiet)
    assert not made.notes and made.page.is_file()
    found = evaluate.evaluate(place / "run")
    assert {row["measure"] for row in found.rows} >= {"advice", "detection", "queries"}


def test_another_setting_than_the_folder_has_is_told(folders):
    place, _ = folders
    config = sandwich_jax.Config(**SMALL, tau=0.2, p=(0.5,), control=False)
    with pytest.raises(sandwich_jax.SettingError, match="holds a run with another tau"):
        run_folder.run(config, place / "run", wandb="disabled")
    stored = json.loads((place / "run/manifest.json").read_text())["config"]
    assert "stake" in stored  # as all settings stood in manifests then
