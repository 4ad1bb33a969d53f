"""Tables of what a run or a sweep found, for a terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from sandwich_jax import given, identity
from sandwich_jax.members import strengths_in


def results_table(rows: list[dict[str, Any]]) -> Table:
    """The last round, a line a member."""
    games = rows[0]["arena_games"]
    table = Table(
        title=f"After round {rows[0]['round']}, {games} games a match, 95% intervals",
        caption="Elo of W before training is 0; E stands at "
        + _interval(rows[0], "e_elo", "+.0f")
        + ". PGR = gain / E.",
    )
    table.add_column("W's protocol", no_wrap=True)
    for header in ("p", "A's Elo", "assisted score", "Elo gain over W", "PGR", "over control"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        asks = row["protocol"] != "never_ask"
        table.add_row(
            _who(row),
            _strength(row),
            _interval(row, "a_elo", "+.0f") if asks else "",
            f"{row['assisted_score']:.2f}" if row.get("assisted_score") is not None else "",
            _interval(row, "elo_gain", "+.0f"),
            _interval(row, "pgr", ".2f") or "undefined",
            _interval(row, "gain_over_control", "+.0f") if asks else "",
        )
    return table


def _who(row: dict[str, Any]) -> str:
    """A member's protocol, and which control it is."""
    role = row.get("role")
    return row["protocol"] + (f" ({role})" if role and role != row["protocol"] else "")


SHARES = ("asked", "followed", "followed_though_corrupted", "refused_though_good")


def sweep_tables(rows: list[dict[str, Any]], critical: list[dict[str, Any]]) -> list[Table]:
    """The grid after the last round, and where its curves cross."""
    seeds = max(row["seeds"] for row in rows)
    unit = f"95% intervals over {seeds} seeds" if seeds > 1 else "95% intervals over openings"
    cells = Table(title=f"After round {rows[0]['round']}, {unit}")
    settings = [name for name in identity.fields() if name not in identity.KINDS]
    varied = identity.varied(rows, settings)
    for header in ("W's protocol", "misalignment", *varied, "strength"):
        cells.add_column(header)
    headers = ("PGR", "over control", "assisted score")
    shares = ("asked", "followed", "though corrupt", "refused though good", "answers")
    for header in (*headers, *shares, "games to PGR 0.5"):
        cells.add_column(header, justify="right")
    for row in rows:
        asks = row["protocol"] != "never_ask"
        cells.add_row(
            _who(row),
            row["misalignment"] if asks else "",
            *(identity.text(row[name]) for name in varied),
            _strength(row),
            _interval(row, "pgr", ".2f") or "undefined",
            _interval(row, "gain_over_control", "+.0f") if asks else "",
            *(_number(row[name]) for name in ("assisted_score", *SHARES)),
            f"{row['answers']:.0f}",
            row.get("games_to_half_text", "").replace("[", "\\["),
        )
    if not critical:
        return [cells]
    curves = Table(title="Critical strength: where W stops gaining from A")
    others = ["at"] if any(_strength(entry) for entry in critical) else []
    for header in ("W's protocol", "misalignment", *varied, *others, "along"):
        curves.add_column(header)
    curves.add_column("gain over control crosses 0", justify="right")
    curves.add_column("PGR falls under 0.5", justify="right")
    for entry in critical:
        curves.add_row(
            entry["protocol"],
            entry["misalignment"],
            *(identity.text(entry[name]) for name in varied),
            *([_strength(entry)] if others else ()),
            entry["strength"],
            *(
                (entry[name] or {"text": "undefined"})["text"].replace("[", "\\[")
                for name in ("gain_over_control_0", "pgr_half")
            ),
        )
    return [cells, curves]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _strength(row: dict[str, Any]) -> str:
    values = [(k, row[k]) for k in strengths_in([row]) if row.get(k) is not None]
    if len(values) == 1 and values[0][0] == "p":
        return given.exact(values[0][1])
    return ", ".join(f"{k}={given.exact(v)}" for k, v in values)


def _interval(row: dict[str, Any], name: str, form: str) -> str:
    if row.get(name) is None:
        return ""
    value, low, high = (row[key] for key in (name, f"{name}_lo", f"{name}_hi"))
    return f"{value:{form}} \\[{low:{form}}, {high:{form}}]"
