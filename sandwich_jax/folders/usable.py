"""What of a folder's rows can be shown: a damaged figure is left out and told, the rest is kept."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from sandwich_jax.measures.of_games import MEASURES, MOST, is_number
from sandwich_jax.members import strengths_in

Row = dict[str, Any]

INTERVALS = ("elo_gain", "pgr", "gain_over_control", "a_elo", "e_elo", "harm", "expert_harm",
             "kl_to_start", "kl_to_expert", "effective_moves", "top1_with_expert")  # fmt: skip
"""Figures that may have an interval, as columns `_lo` and `_hi` beside their own."""
SHARES = ("assisted_score", "asked", "followed", "corrupted", "followed_though_corrupted",
          "refused_though_good")  # fmt: skip
TEXTS = ("member", "role", "run", "protocol", "misalignment", "pgr_verdict")
NEEDED = ("member", "round", "protocol", "misalignment")


def rows(found: Any, place: pathlib.Path, notes: list[str]) -> list[Row]:
    """Rows that tell their member and round, with every strength in place.

    Args:
        found: what a file holds, one a round a member.
        place: the file or folder.
        notes: gets a sentence for rows that are left out, and one for figures.
    """
    whole = [row for row in _list(found, place, "rows", notes) if isinstance(row, dict)]
    good = [row for row in whole if set(NEEDED) <= set(row) and _tells(row)]
    if len(good) < len(found if isinstance(found, list) else []):
        notes.append(
            f"{place}: {len(found) - len(good)} rows lack {', '.join(sorted(NEEDED))}; they were"
            " left out."
        )
    lost: dict[str, int] = {}
    blank = dict.fromkeys(strengths_in(good))
    kept = [blank | _cleaned(row, lost) for row in good]
    if lost:
        notes.append(
            f"{place}: {', '.join(lost)} of {max(lost.values())} rows are no numbers; these figures"
            " were left out."
        )
    return kept


def of_text(found: Sequence[Any], place: pathlib.Path, notes: list[str]) -> list[Row]:
    """Rows of runs on text that tell their member, protocol and round, numbers alone as figures."""
    whole = [
        row
        for row in found
        if isinstance(row, dict)
        and isinstance(row.get("member"), str)
        and isinstance(row.get("protocol"), str)
        and type(row.get("round")) is int
    ]
    if len(whole) < len(found):
        notes.append(f"{place}: {len(found) - len(whole)} rows are damaged; they were left out.")
    return [
        {
            name: value if name in WORDS_OF_TEXT or value is None or is_number(value) else None
            for name, value in row.items()
        }
        for row in whole
    ]


WORDS_OF_TEXT = ("member", "role", "run", "cell", "protocol", "misalignment", "advice", "lasts",
                 "pgr_verdict")  # fmt: skip


def _tells(row: Row) -> bool:
    """Whether the row says whose it is, and of which round."""
    texts = (row["member"], row["protocol"])
    kind = row["misalignment"]
    return (
        all(isinstance(text, str) and text for text in texts)
        and (kind is None or isinstance(kind, str))
        and type(row["round"]) is int
        and 0 <= row["round"] < MOST
    )


def _cleaned(row: Row, lost: dict[str, int]) -> Row:
    """The row without figures that are none; counts them."""
    found = dict(row)
    ends = [f"{name}{end}" for name in INTERVALS for end in ("", "_lo", "_hi")]
    harms = [name for name in row if name.endswith("harm")]
    for name in dict.fromkeys((*ends, *SHARES, *harms, *strengths_in([row]))):
        if row.get(name) is not None and not is_number(row[name]):
            found[name] = None
            # Python's JSON may hold NaN, which stands for a figure that is not there.
            if row[name] == row[name]:
                lost[name] = lost.get(name, 0) + 1
    for name in TEXTS:
        if name in row:
            found[name] = text(row[name])
    if type(row.get("in_regime")) is not bool:
        found["in_regime"] = None
    if "seeds" in row and not (type(row["seeds"]) is int and 0 < row["seeds"] < MOST):
        found["seeds"] = 1
    return found


def text(value: Any) -> str | None:
    """Text that can be written; None for anything else."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def mapping(value: Any) -> dict[str, Any]:
    """An object of JSON; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def crossings(found: Any, place: pathlib.Path, notes: list[str]) -> list[Row]:
    """Where curves cross, as far as the entries are whole."""
    entries = _list(found, place, "critical", notes)
    good = [entry for entry in entries if isinstance(entry, dict) and _is_crossing(entry)]
    if len(good) < len(entries):
        notes.append(f"{place}: {len(entries) - len(good)} crossings are damaged; left out.")
    return good


def _is_crossing(entry: Row) -> bool:
    names = ("protocol", "misalignment", "strength")
    told = [entry.get(name) for name in ("gain_over_control_0", "pgr_half")]
    return all(isinstance(entry.get(name), str) for name in names) and all(
        one is None or (isinstance(one, dict) and isinstance(one.get("text"), str)) for one in told
    )


def _list(found: Any, place: pathlib.Path, name: str, notes: list[str]) -> list[Any]:
    if isinstance(found, list):
        return found
    notes.append(f"{place}: {name} is no list; it was left out.")
    return []


# --- evaluations --------------------------------------------------------------------------------


def evaluations(found: Iterable[Any], place: pathlib.Path, notes: list[str]) -> Sequence[Row]:
    """Rows of an evaluation that charts can show."""
    known = [row for row in found if isinstance(row, dict) and {"measure", "subject"} <= set(row)]
    shown = [row for row in known if isinstance(row["measure"], str) and row["measure"] in MEASURES]
    good = [
        r for r in shown if isinstance(r["subject"], str) and MEASURES[r["measure"]].is_whole(r)
    ]
    if len(good) < len(shown):
        notes.append(f"{place}: {len(shown) - len(good)} rows are damaged; they were left out.")
    return good
