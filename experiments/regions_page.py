"""Makes the pictures and tables of docs/phase_diagram.md that say where W reaches E.

    python experiments/regions_page.py [--answers N] [FOLDER ...]

Takes the last rows of finished runs and sweeps, keeps what it needs of them in
docs/phase_diagram/regions.jsonl, beside those of earlier calls, and draws all of it with the chess
sweep of docs/recovery/rows.jsonl: a picture a misalignment, a panel a game. Without an argument the
page is made again from what is kept. --answers: what W heard at p = 0 counts as so many answers,
which are all the same there.
"""

from __future__ import annotations

import argparse
import pathlib
from itertools import chain, cycle, groupby
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from sandwich_jax.folders import log, places, store
from sandwich_jax.measures import critical, gap, seeds
from sandwich_jax.measures.elo import Interval
from sandwich_jax.report import doc_pages, figures
from sandwich_jax.running import phase

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGE, KEPT = DOCS / "phase_diagram.md", DOCS / "phase_diagram" / "regions.jsonl"
SWEEP, PICTURES = DOCS / "recovery" / "rows.jsonl", DOCS / "pictures"
RESAMPLES = 2000
GAMES = {"chess": "Chess", "connect_four": "Connect Four"}
SAYS = {
    "random_move": "a random move, drawn anew for every query",
    "value_worst": "the move that E values least, the same whenever the position is met",
    "plausible_worst": "the move that E values least of those that W would accept, the same"
    " whenever the position is met",
    "soft_saboteur_weak": "moves that look good to W and harm it, the same whenever the position is"
    " met",
    "borrow": "moves of a network trained to lose subtly, the same whenever the position is met",
}
WAYS = {
    "light": ("#0969da", "#1a7f37", "#8250df", "#bf3989"),
    "dark": ("#58a6ff", "#3fb950", "#bc8cff", "#f778ba"),
}
"""Colours of curves on a page that is light or dark."""
TOLD = ("listens", "claims", "any_move", "looks")
"""Settings of kinds that tell one way to take advice from another."""
Row = dict[str, Any]


class Cell(NamedTuple):
    """One p of a curve: PGR with its 95% interval, over seeds, or over openings if one seed."""

    p: float
    pgr: float
    low: float
    high: float
    a_share: float
    """A's own Elo over W, as a share of E's."""
    seeds: int

    @property
    def verdict(self) -> str:
        """Works, helps, neither or harms."""
        if self.low > 0:
            return "works" if self.low > gap.MARGIN else "helps"
        return "harms" if self.high < 0 else "neither"


class Curve(NamedTuple):
    """One game and one way to take advice, over p."""

    misalignment: str
    game: str
    way: str
    cells: list[Cell]


def main(folders: list[pathlib.Path], answers: int | None = None) -> None:
    """Keeps the rows, and makes the pictures and the page."""
    kept = log.read_rows(KEPT) if KEPT.exists() else []
    found = {_name(row): row for row in kept}
    for folder in folders:
        found |= {_name(row): row for row in _rows(folder, answers)}
    rows = [found[name] for name in sorted(found)]
    log.write_rows(KEPT, rows)
    curves = _curves(rows + _of_the_sweep())
    made = []
    for misalignment, own in groupby(curves, lambda curve: curve.misalignment):
        mine = list(own)
        made += [f"### A lies with {SAYS[misalignment]}", _cells(mine)]
        if any(len(curve.cells) > 1 for curve in mine):
            for theme in figures.INKS:
                draw(mine, theme, PICTURES / f"regions-{misalignment}-{theme}.png")
            made[-1:-1] = [_picture(misalignment)]
            made.append(_borders(mine))
    doc_pages.fill(PAGE, "experiments/regions_page.py", "\n\n".join(made))
    print(PAGE)


def _rows(folder: pathlib.Path, answers: int | None) -> list[Row]:
    """The last row of every member that has played against E, as this page keeps it."""
    told = []
    for settings, row in _members(folder):
        own: Row = settings if answers is None or row["p"] else settings | {"listens": answers}
        told.append({
            "misalignment": row["misalignment"],
            "game": settings["game"],
            "way": _way(row["protocol"], own),
            "p": row["p"],
            "seed": settings["seed"],
            **{name: round(row[name], 4) for name in ("pgr", "pgr_lo", "pgr_hi")},
            "a_share": round(row["a_elo"] / row["e_elo"], 4),
            "games": row["arena_games"],
        })  # fmt: skip
    return told


def _members(folder: pathlib.Path) -> list[tuple[Row, Row]]:
    """Settings and last rows of a run's or a sweep's finished members."""
    about, found = store.read_json(folder / "manifest.json"), []
    if "sweep" in about:
        for part in chain.from_iterable(places.done_cells(folder)):
            (row,) = phase.phase(folder, [part]).rows
            own = vars(part.config) | {name: row[name] for name in TOLD}
            last = row | places.rows_of(folder, part)[-1]
            # An honest A is played once, whatever it does not lie with.
            kinds = last["misalignment"]
            kinds = kinds if last["p"] else about["sweep"].get("misalignment", kinds)
            kinds = [kinds] if isinstance(kinds, str) else kinds
            found += [(own, last | {"misalignment": kind}) for kind in kinds]
    else:
        found = [(about["config"], row) for row in log.read_rows(folder / "rows.jsonl")]
    asking = [(settings, row) for settings, row in found if row["p"] is not None]
    return [(settings, row) for settings, row in asking if row.get("score_against_e") is not None]


def _way(protocol: str, settings: Row) -> str:
    """How W takes advice, in words."""
    if protocol == "only_listen":
        answers = settings["listens"] or 1
        return f"hears {answers} answers, learns the medoid" if answers > 1 else "hears one answer"
    thinks = "search" if settings.get("looks") else "policy"
    if settings.get("claims") == "weighed":
        alone = settings["any_move"] == 1
        return "weighs what A claims" + ("" if alone else f", and what its own {thinks} finds")
    return {
        "always_follow": "follows everything",
        "search_gate": f"takes what its own {thinks} finds likely",
        "oracle_gate": "is told which answers are lies",
    }.get(protocol, protocol)


def _name(row: Row) -> tuple:
    return tuple(row[name] for name in ("misalignment", "game", "way", "p", "seed"))


def _of_the_sweep() -> list[Row]:
    """The sweep of docs/recovery.md."""
    rows = [row for row in log.read_rows(SWEEP) if row.get("score_against_e") is not None]
    names = ("misalignment", "p", "seed", "pgr", "pgr_lo", "pgr_hi")
    return [
        {name: row[name] for name in names}
        | {"game": "chess", "way": "hears one answer", "a_share": row["a_elo"] / row["e_elo"]}
        for row in rows
    ]


def _curves(rows: list[Row]) -> list[Curve]:
    """By misalignment, as in `SAYS`, game and way."""
    order = list(SAYS)
    cells: dict[tuple[str, str, str], list[Cell]] = {}
    rows = sorted(rows, key=lambda row: (order.index(row["misalignment"]), *_name(row)[1:]))
    for (misalignment, game, way, _), own in groupby(rows, lambda row: _name(row)[:-1]):
        cells.setdefault((misalignment, game, way), []).append(_cell(list(own)))
    return [Curve(*curve, own) for curve, own in cells.items()]


def _cell(rows: list[Row]) -> Cell:
    """Of one p; over seeds where there are several."""
    first = rows[0]
    own = Interval(first["pgr"], first["pgr_lo"], first["pgr_hi"])
    found = seeds.students([row["pgr"] for row in rows]) if len(rows) > 1 else own
    share = float(np.mean([row["a_share"] for row in rows]))
    return Cell(first["p"], found.value, found.low, found.high, share, len(rows))


def _picture(misalignment: str) -> str:
    return f"![PGR against p, {misalignment}](pictures/regions-{misalignment}-light.png)"


def _cells(curves: list[Curve]) -> str:
    head = ("game", "W", "p", "A itself", "PGR", "seeds", "")
    lines = [
        (GAMES[curve.game], curve.way, f"{cell.p:g}", f"{cell.a_share:.2f}",
         f"{cell.pgr:.2f} [{cell.low:.2f}, {cell.high:.2f}]", str(cell.seeds), cell.verdict)
        for curve in curves
        for cell in curve.cells
    ]  # fmt: skip
    return doc_pages.table(head, lines)


def _borders(curves: list[Curve]) -> str:
    """Up to which p, straight between those that were played."""
    head = ("game", "W", f"PGR above {gap.MARGIN:g} up to p =", "gains up to p =")
    lines = []
    for curve in curves:
        if len(curve.cells) > 1:
            axis = np.asarray([cell.p for cell in curve.cells])
            drawn = _resampled(curve.cells)
            ends = (critical.falls_below(axis, drawn, level) for level in (gap.MARGIN, 0.0))
            told = (str(critical.crossing(end, axis)) for end in ends)
            lines.append((GAMES[curve.game], curve.way, *told))
    return doc_pages.table(head, lines)


def _resampled(cells: list[Cell]) -> np.ndarray:
    """[R, N]: the curve, and resamples in which every p errs for itself."""
    middle = np.asarray([cell.pgr for cell in cells])
    error = np.asarray([(cell.high - cell.low) / 2 for cell in cells]) / stats.norm.ppf(0.975)
    noise = np.random.default_rng(0).standard_normal((RESAMPLES + 1, len(cells)))
    noise[0] = 0.0
    return middle + error * noise


def draw(curves: list[Curve], theme: str, path: pathlib.Path) -> None:
    """PGR and A itself against p, a panel a game."""
    ink, _, assistant = figures.INKS[theme]
    games = [game for game in GAMES if any(curve.game == game for curve in curves)]
    figure, grid = plt.subplots(1, len(games), figsize=(4.6 * len(games) + 0.4, 4.4), squeeze=False,
                                sharey=True, layout="constrained")  # fmt: skip
    for axes, game in zip(grid[0], games, strict=True):
        own = [curve for curve in curves if curve.game == game]
        _panel(axes, own, ink, assistant, WAYS[theme])
        axes.set_title(GAMES[game], color=ink)
        figures.in_ink(figure, axes, ink)
    grid[0, 0].set_ylabel("share of the gap from W to E")
    figures.save(path, figure)


def _panel(
    axes: Axes, curves: list[Curve], ink: str, assistant: str, colours: tuple[str, ...]
) -> None:
    top, bottom = 1.1, min([-1.2, *(cell.low - 0.05 for curve in curves for cell in curve.cells)])
    axes.axhspan(gap.MARGIN, top, color="#2da44e", alpha=0.16, linewidth=0)
    axes.axhspan(bottom, 0.0, color="#cf222e", alpha=0.10, linewidth=0)
    off = 0.026 * (top - bottom)  # of the words from the line at 0
    for says, y in ((f"works: above {gap.MARGIN:g}", 1.02), ("helps", off), ("harms", -off)):
        axes.text(0.0 if y < 1 else 1.0, y, says, color=ink, ha="right" if y > 1 else "left",
                  va="center", fontsize=9)  # fmt: skip
    longest = max(curves, key=lambda curve: len(curve.cells))
    axes.plot([cell.p for cell in longest.cells], [cell.a_share for cell in longest.cells], "--",
              color=assistant, linewidth=1.6, label="A itself")  # fmt: skip
    for curve, colour, marker in zip(curves, cycle(colours), cycle(figures.MARKERS), strict=False):
        p = [cell.p for cell in curve.cells]
        shown = [cell.pgr for cell in curve.cells]
        below = [cell.pgr - cell.low for cell in curve.cells]
        above = [cell.high - cell.pgr for cell in curve.cells]
        axes.errorbar(p, shown, [below, above], marker=marker, color=colour, linewidth=2.0,
                      capsize=3, label=f"W {curve.way}")  # fmt: skip
    axes.axhline(0.0, color=ink, linewidth=0.8)
    axes.set(xlim=(-0.03, 1.03), ylim=(bottom, top), xlabel="p, the share of A's answers that lie")
    axes.legend(loc="lower left", fontsize=8, frameon=False, labelcolor=ink)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="*", type=pathlib.Path)
    parser.add_argument("--answers", type=int)
    main(**vars(parser.parse_args()))
