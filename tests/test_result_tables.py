"""Tables for a terminal tell every row apart, however little room there is."""

import pytest

from sandwich_jax import identity
from sandwich_jax.machine.screen import Screen
from sandwich_jax.members import strength_names
from sandwich_jax.running import result_tables

KINDS = ("always_follow", "always_refuse", "prior_gate", "prior_guess")
HARMS = ("random_move", "random_mood", "policy_noise")


def _row(protocol, misalignment, p):
    values = {"elo_gain": -86.7, "pgr": -0.21, "a_elo": 450.0, "gain_over_control": -16.0}
    ends = {f"{k}_{end}": 12.5 * v for k, v in values.items() for end in ("lo", "hi")}
    shares = dict.fromkeys(("assisted_score", *result_tables.SHARES), 0.5)
    about = dict(round=2, seeds=2, arena_games=32, e_elo=480.0, e_elo_lo=400.0, e_elo_hi=600.0)
    about |= dict(protocol=protocol, misalignment=misalignment, answers=487.0)
    about |= {"p": p, "games_to_half_text": ">64 [24.9, >64]", "tau": 0.02}
    return {**dict.fromkeys((*identity.column_names(), *strength_names())), **values, **ends,
            **shares, **about}  # fmt: skip


ROWS = [_row(kind, harm, p) for kind in KINDS for harm in HARMS for p in (0.0, 0.5)]
CRITICAL = [
    row | {"strength": "p", "p": None, "gain_over_control_0": None, "pgr_half": None}
    for row in ROWS[::2]
]


def _printed(table, width):
    screen = Screen(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    screen.print(table)
    return screen.export_text()


def _texts(printed):
    """Rows as their texts, folded ones put together again."""
    rows, go_on = [], False
    for line in printed.splitlines():
        cells = [cell.strip() for cell in line.strip("│").split("│")]
        if not line.startswith("│"):
            go_on = False
        elif go_on:
            rows[-1] = [a + b for a, b in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
            go_on = "├" in printed  # a line between rows, which have several lines then
    return rows


@pytest.mark.parametrize("width", [60, 80, 140, 1000])
def test_every_row_of_a_sweep_is_told_apart_at_any_width(width):
    cells, curves = result_tables.sweep_tables(ROWS, CRITICAL)
    for table, rows in ((cells, ROWS), (curves, CRITICAL)):
        printed = _printed(table, width)
        assert "…" not in printed and max(map(len, printed.splitlines())) <= width
        told = [tuple(texts[:2]) for texts in _texts(printed)]
        assert told == [(row["protocol"], row["misalignment"]) for row in rows]
        assert len({tuple(texts[:3]) for texts in _texts(printed)}) == len(rows)


def test_what_there_is_no_room_for_is_told():
    (cells,) = result_tables.sweep_tables(ROWS, [])
    assert "No room" not in _printed(cells, 150)
    narrow = " ".join(_printed(cells, 80).split())
    assert "No room for:" in narrow and "refused though good, answers." in narrow
    assert "PGR" in narrow


@pytest.mark.parametrize("width", [80, 140])
def test_protocols_of_a_run_are_told_apart(width):
    rows = [_row(kind, "random_move", 0.5) | {"role": None} for kind in KINDS]
    printed = _printed(result_tables.results_table(rows), width)
    assert "…" not in printed
    assert [texts[0] for texts in _texts(printed)] == list(KINDS)


def test_settings_are_no_markup():
    rows = [_row("always_follow", "random_move", 0.5) | {"network": n} for n in ("[red]", "[/x]")]
    printed = _printed(result_tables.sweep_tables(rows, [])[0], 1000)
    assert "[red]" in printed and "[/x]" in printed
