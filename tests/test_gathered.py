"""The rows of a sweep's members in one file: what is new is read, and nothing else."""

import pathlib
from collections import Counter

import pytest

from sandwich_jax import grid
from sandwich_jax.folders import log, places
from sandwich_jax.grid import Part
from sandwich_jax.running import gathered
from sandwich_jax.running.gathered import Gathered

SWEEP = {
    "game": "tic_tac_toe", "expert": "fresh:1", "weak": "fresh:2", "network": "nano", "rounds": 2,
    "misalignment": "random_move", "p": [0.0, 0.5], "control": False,
}  # fmt: skip


@pytest.fixture
def parts() -> tuple[Part, ...]:
    return grid.parse(SWEEP)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[Part]:
    """How often each member's rows were read."""
    counted: Counter[Part] = Counter()
    really = places.rows_of

    def rows_of(folder: pathlib.Path, part: Part) -> list:
        counted[part] += 1
        return really(folder, part)

    monkeypatch.setattr(gathered.places, "rows_of", rows_of)
    return counted


def _plays(folder: pathlib.Path, part: Part, rounds: int) -> None:
    own = places.member_folder(folder, part)
    own.mkdir(parents=True, exist_ok=True)
    rows = [{"round": n + 1, "member": part.member.name, "elo_gain": 1.5} for n in range(rounds)]
    log.write_rows(own / "rows.jsonl", rows)


def _found(folder: pathlib.Path) -> list[tuple[str, int]]:
    return [(row["run"], row["round"]) for row in log.read_rows(folder / "rows.jsonl")]


def test_only_members_that_wrote_since_are_read_and_rows_keep_the_order_of_the_grid(
    tmp_path: pathlib.Path, parts: tuple[Part, ...], read: Counter[Part]
):
    first, second = parts
    seen = Gathered(tmp_path, parts, "disabled")
    _plays(tmp_path, second, 1)
    seen.look()
    assert _found(tmp_path) == [(second.id, 1)]
    _plays(tmp_path, first, 2)
    seen.look()
    seen.look()
    assert _found(tmp_path) == [(first.id, 1), (first.id, 2), (second.id, 1)]
    assert read == {first: 1, second: 1}


def test_rows_that_are_taken_back_are_taken_back_here(tmp_path: pathlib.Path, parts: tuple):
    seen = Gathered(tmp_path, parts, "disabled")
    _plays(tmp_path, parts[0], 2)
    seen.look()
    _plays(tmp_path, parts[0], 1)
    seen.look()
    assert _found(tmp_path) == [(parts[0].id, 1)]
    (places.member_folder(tmp_path, parts[0]) / "rows.jsonl").unlink()
    seen.look()
    assert _found(tmp_path) == []


def test_a_file_that_an_accident_has_cut_is_written_anew(tmp_path: pathlib.Path, parts: tuple):
    seen = Gathered(tmp_path, parts, "disabled")
    for part in parts:
        _plays(tmp_path, part, 2)
    seen.look()
    whole = (tmp_path / "rows.jsonl").read_bytes()
    for damaged in (whole[:100], b""):
        (tmp_path / "rows.jsonl").write_bytes(damaged)
        seen.look()
        assert (tmp_path / "rows.jsonl").read_bytes() == whole


def test_a_later_call_goes_on_from_the_file_and_tells_each_row_once(
    tmp_path: pathlib.Path, parts: tuple[Part, ...], monkeypatch: pytest.MonkeyPatch
):
    told: list[tuple[str, int]] = []
    monkeypatch.setattr(
        log.WandbRuns, "log", lambda self, n, c, row: told.append((n, row["round"]))
    )
    _plays(tmp_path, parts[0], 1)
    Gathered(tmp_path, parts, "disabled").look()
    _plays(tmp_path, parts[0], 2)
    again = Gathered(tmp_path, parts, "disabled")
    again.look()
    again.look()
    assert told == [(parts[0].id, 1), (parts[0].id, 2)]


def test_many_members_are_looked_at_seldom(
    tmp_path: pathlib.Path, parts: tuple[Part, ...], monkeypatch: pytest.MonkeyPatch
):
    clock = iter([100.0, 102.0])  # one look takes two seconds
    monkeypatch.setattr(gathered.time, "monotonic", lambda: next(clock))
    seen = Gathered(tmp_path, parts, "disabled")
    seen.look()
    assert seen.next == 102.0 + 2.0 / gathered.LOOKING
