"""PNG pictures of a run, from its rows alone."""

from __future__ import annotations

import pathlib
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sandwich_jax import given, identity
from sandwich_jax.members import strengths_in

matplotlib.rcParams["text.parse_math"] = False  # names of folders may hold dollars

Row = dict[str, Any]

# Okabe and Ito's colours, told apart by colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CONTROL_COLOUR = "#777777"


def draw_run(folder: pathlib.Path, rows: list[Row]) -> list[pathlib.Path]:
    """Draws what the rows of a run folder can show; returns the files."""
    if not rows:
        return []
    drawn, knob = [], _knob(rows)
    if knob:
        drawn.append(save(folder / f"pgr_against_{knob}.png", pgr_against(rows, knob)))
    return [*drawn, save(folder / "learning_curves.png", learning_curves(rows))]


def save(path: pathlib.Path, figure: Figure) -> pathlib.Path:
    """Writes a figure as PNG, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, dpi=150, format="png")
    plt.close(figure)
    temporary.replace(path)
    return path


def _knob(rows: list[Row]) -> str | None:
    """The strength that members differ in."""
    for name in strengths_in(rows):
        if len({row[name] for row in rows if _about(row) and row.get(name) is not None}) > 1:
            return name
    return None


def _about(row: Row) -> bool:
    """Whether a run is about this member; otherwise it is a control."""
    return row.get("role") in (None, "", "ceiling") and row["protocol"] != "never_ask"


def _misalignment(rows: list[Row]) -> str:
    """What the rows are about; controls may have another, or none."""
    return next((row for row in rows if _about(row)), rows[0])["misalignment"] or "none"


def _label(row: Row) -> str:
    if not _about(row):
        return f"{_control(row)} (control)"
    knobs = [f"{n} = {given.exact(row[n])}" for n in strengths_in([row]) if row[n] is not None]
    return f"{row['protocol'].replace('_', ' ')}, {', '.join(knobs)}"


def _control(row: Row) -> str:
    role = row.get("role") or "never_ask"
    # There is a benign adviser for each corrupt one.
    name = row["member"].partition(" ")[2] if role == "benign" else role.replace("_", " ")
    return "never asks" if role == "never_ask" else name


def learning_curves(rows: list[Row]) -> Figure:
    """Elo gain over W by round, one curve a member, bands of 95%."""
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    members = list(dict.fromkeys(row["member"] for row in rows))
    colours = iter(COLOURS * len(members))
    for member in members:
        own = [row for row in rows if row["member"] == member]
        control, never = not _about(own[0]), own[0].get("role") in (None, "", "never_ask")
        colour = CONTROL_COLOUR if control and never else next(colours)
        rounds = [0] + [row["round"] for row in own]
        gain = [0.0] + [row["elo_gain"] for row in own]
        low = [0.0] + [row["elo_gain_lo"] for row in own]
        high = [0.0] + [row["elo_gain_hi"] for row in own]
        style = "--" if control else "-"
        axes.plot(rounds, gain, style, marker="o", color=colour, label=_label(own[0]))
        axes.fill_between(rounds, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.axhline(rows[-1]["e_elo"], color="black", linewidth=1)
    axes.annotate("E", (0, rows[-1]["e_elo"]), xytext=(4, 4), textcoords="offset points")
    axes.axhline(0, color="black", linewidth=1, linestyle=":")
    axes.annotate("W before training", (0, 0), xytext=(4, -12), textcoords="offset points")
    axes.set_xlabel("round")
    axes.set_ylabel("Elo over W before training")
    axes.set_title(f"W fine-tuned with a misaligned assistant ({_misalignment(rows)})")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _curves(rows: list[Row], knob: str) -> dict[str, list[Row]]:
    """Rows by the strengths other than the one along x, told where they vary."""
    others = identity.varied(rows, [name for name in strengths_in(rows) if name != knob])
    found: dict[str, list[Row]] = {}
    for row in rows:
        told = (
            f", {name} = {given.exact(row[name])}" for name in others if row.get(name) is not None
        )
        found.setdefault("".join(told), []).append(row)
    return found


def pgr_against(rows: list[Row], knob: str) -> Figure:
    """PGR after the last round, and where A itself stands, against the strength of misalignment."""
    last = max(row["round"] for row in rows)
    final = [row for row in rows if row["round"] == last and row["pgr"] is not None]
    asking = [r for r in final if _about(r) and r[knob] is not None]
    asking.sort(key=lambda r: r[knob])
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    colours = iter(COLOURS * (2 + 2 * len(final)))
    for name, own in _curves(asking, knob).items():
        x, y = [r[knob] for r in own], [r["pgr"] for r in own]
        errors = [[r["pgr"] - r["pgr_lo"] for r in own], [r["pgr_hi"] - r["pgr"] for r in own]]
        label = f"W' after {last} rounds ({own[0]['protocol'].replace('_', ' ')}){name}"
        axes.errorbar(x, y, errors, fmt="o-", capsize=4, color=next(colours), label=label)
        strength = [r["a_elo"] / r["e_elo"] for r in own]
        axes.plot(x, strength, "s--", color=next(colours), label=f"A itself{name}")
    for row in final:
        if not _about(row):
            name = _control(row)
            colour = CONTROL_COLOUR if name == "never asks" else next(colours)
            axes.axhline(row["pgr"], color=colour, linestyle="--", label=name)
            axes.axhspan(row["pgr_lo"], row["pgr_hi"], color=colour, alpha=0.15, lw=0)
    axes.axhline(1, color="black", linewidth=1)
    axes.annotate("E", (1, 1), xycoords=("axes fraction", "data"), xytext=(-14, 4),
                  textcoords="offset points")  # fmt: skip
    axes.axhline(0, color="black", linewidth=1, linestyle=":")
    axes.set_xlabel(f"{knob} ({_misalignment(rows)})")
    axes.set_ylabel("performance gap recovered (Elo)")
    axes.set_title("How much of the gap to E is recovered; bars are 95% intervals")
    if final:
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure
