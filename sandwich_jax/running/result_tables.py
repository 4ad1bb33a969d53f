"""Tables of what a run or a sweep found, for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.markup import escape
from rich.table import Table

from sandwich_jax import given, identity
from sandwich_jax.errors import printable
from sandwich_jax.members import strengths_in


class Column(NamedTuple):
    """A column of plain texts."""

    header: str
    texts: list[str]
    tells: bool = False
    """Tells rows apart: it is always shown, and its words stay whole while there is room."""


class Fitted(NamedTuple):
    """A table that cuts no text: what there is no room for is folded, or left out and told.

    Rich alone would cut names, and rows that differ in them would read the same.
    """

    title: str
    caption: str
    columns: list[Column]
    """Of those that tell no rows apart the first matter most."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        shown, left_out = list(self.columns), []
        while sum(map(_least, shown)) > _room(shown, options.max_width):
            figures = [column for column in shown if not column.tells]
            if len(figures) < 2:
                break
            shown.remove(figures[-1])
            left_out.insert(0, figures[-1].header)
        widths = _widths(shown, _room(shown, options.max_width))
        folded = any(w < _longest(c.texts) for c, w in zip(shown, widths, strict=True))
        said = f"{self.caption} No room for: {', '.join(left_out)}." if left_out else self.caption
        table = Table(title=escape(self.title), caption=escape(said.strip()), show_lines=folded)
        for column, width in zip(shown, widths, strict=True):
            justify = "left" if column.tells else "right"
            header = _folded(column.header, width)
            table.add_column(header, width=width, justify=justify, overflow="fold")
        for texts in zip(*(column.texts for column in shown), strict=True):
            table.add_row(*(_folded(t, w) for t, w in zip(texts, widths, strict=True)))
        yield table


def _columns(headers: Sequence[str], rows: list[list[str]], tells: int) -> list[Column]:
    """Columns of rows; the first `tells` of them tell rows apart."""
    return [
        Column(printable(header), [printable(row[place]) for row in rows], place < tells)
        for place, header in enumerate(headers)
    ]


def _room(columns: Sequence[Column], width: int) -> int:
    """For texts, in a table of this width: its lines and their margins take the rest."""
    return width - 3 * len(columns) - 1


def _longest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _words(texts: Iterable[str]) -> list[str]:
    return [word for text in texts for word in text.split(" ")]


def _parts(words: Iterable[str]) -> list[str]:
    """Words in parts, each but the last with an underscore at its end."""
    return [part for word in words for part in re.split("(?<=_)", word)]


def _least(column: Column) -> int:
    """The least width at which a column can be folded."""
    return _longest(_parts(_words([column.header, *column.texts])))


def _widths(columns: Sequence[Column], room: int) -> list[int]:
    """Widths of columns that fit: headers and figures are folded first, then names."""
    widths = [_longest([column.header, *column.texts]) for column in columns]
    words = [
        max(_longest(_words([c.header])), _longest(c.texts if c.tells else _words(c.texts)))
        for c in columns
    ]
    for least in (words, list(map(_least, columns))):
        spare = [width - end for width, end in zip(widths, least, strict=True)]
        while sum(widths) > room and max(spare) > 0:
            place = spare.index(max(spare))
            widths[place] -= 1
            spare[place] -= 1
    return widths


def _folded(text: str, width: int) -> str:
    """Lines of at most this width, as markup: between words, or behind underscores of long ones."""
    lines = [""]
    for word in text.split(" "):
        beside = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(beside) <= width:
            lines[-1] = beside
            continue
        lines.append("")
        for part in _parts([word]):
            if cell_len(lines[-1] + part) > width:
                lines.append("")
            lines[-1] += part
    return escape("\n".join(line for line in lines if line))


def results_table(rows: list[dict[str, Any]]) -> Fitted:
    """The last round, a line a member."""
    games = rows[0]["arena_games"]
    told = []
    for row in rows:
        asks = row["protocol"] != "never_ask"
        told.append([
            _who(row),
            _strength(row),
            _interval(row, "elo_gain", "+.0f"),
            _interval(row, "pgr", ".2f") or "undefined",
            _interval(row, "a_elo", "+.0f") if asks else "",
            _interval(row, "gain_over_control", "+.0f") if asks else "",
            f"{row['assisted_score']:.2f}" if row.get("assisted_score") is not None else "",
        ])  # fmt: skip
    headers = ("W's protocol", "p", "Elo gain over W", "PGR", "A's Elo", "over control",
               "assisted score")  # fmt: skip
    return Fitted(
        f"After round {rows[0]['round']}, {games} games a match, 95% intervals",
        "Elo of W before training is 0; E stands at "
        + _interval(rows[0], "e_elo", "+.0f")
        + ". PGR = gain / E.",
        _columns(headers, told, tells=2),
    )


def _who(row: dict[str, Any]) -> str:
    """A member's protocol, and which control it is."""
    role = row.get("role")
    return row["protocol"] + (f" ({role})" if role and role != row["protocol"] else "")


SHARES = ("asked", "followed", "followed_though_corrupted", "refused_though_good")


def sweep_tables(rows: list[dict[str, Any]], critical: list[dict[str, Any]]) -> list[Fitted]:
    """The grid after the last round, and where its curves cross."""
    seeds = max(row["seeds"] for row in rows)
    unit = f"95% intervals over {seeds} seeds" if seeds > 1 else "95% intervals over openings"
    settings = [name for name in identity.fields() if name not in identity.KINDS]
    varied = identity.varied(rows, settings)
    names = ("W's protocol", "misalignment", *varied, "strength")
    headers = ("PGR", "over control", "games to PGR 0.5", "assisted score")
    shares = ("asked", "followed", "though corrupt", "refused though good", "answers")
    told = []
    for row in rows:
        asks = row["protocol"] != "never_ask"
        told.append([
            _who(row),
            row["misalignment"] if asks else "",
            *(identity.text(row[name]) for name in varied),
            _strength(row),
            _interval(row, "pgr", ".2f") or "undefined",
            _interval(row, "gain_over_control", "+.0f") if asks else "",
            row.get("games_to_half_text", ""),
            *(_number(row[name]) for name in ("assisted_score", *SHARES)),
            f"{row['answers']:.0f}",
        ])  # fmt: skip
    cells = Fitted(
        f"After round {rows[0]['round']}, {unit}",
        "",
        _columns((*names, *headers, *shares), told, len(names)),
    )
    if not critical:
        return [cells]
    others = ["at"] if any(_strength(entry) for entry in critical) else []
    names = ("W's protocol", "misalignment", *varied, *others, "along")
    headers = ("gain over control crosses 0", "PGR falls under 0.5")
    told = [
        [
            entry["protocol"],
            entry["misalignment"],
            *(identity.text(entry[name]) for name in varied),
            *([_strength(entry)] if others else ()),
            entry["strength"],
            *(
                (entry[name] or {"text": "undefined"})["text"]
                for name in ("gain_over_control_0", "pgr_half")
            ),
        ]
        for entry in critical
    ]
    title = "Critical strength: where W stops gaining from A"
    return [cells, Fitted(title, "", _columns((*names, *headers), told, len(names)))]


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
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"
