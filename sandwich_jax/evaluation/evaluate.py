"""The verb `evaluate`: every measure that a run folder allows, each of them once.

Rows go to evaluation.jsonl in the run folder. Called again, it measures only what is not there
yet, or was measured with other settings; the engine's verdicts are kept position by position.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandwich_jax import outputs
from sandwich_jax.engines import analyses, engine_pool
from sandwich_jax.evaluation import (
    evaluate_games,
    evaluate_networks,
    evaluate_solver,
    shift_table,
)
from sandwich_jax.evaluation.ledger import Ledger, Row
from sandwich_jax.evaluation.settings import EvaluateConfig
from sandwich_jax.evaluation.work import Run, Work, open_run
from sandwich_jax.folders.alone import alone
from sandwich_jax.folders.places import EVALUATION
from sandwich_jax.machine import display
from sandwich_jax.measures.of_games import is_number
from sandwich_jax.players import spelled
from sandwich_jax.report import pictures
from sandwich_jax.types import SettingError

DEFAULT, DEFAULT_ENGINE = EvaluateConfig(), engine_pool.EngineConfig()


class Evaluation(NamedTuple):
    """What an evaluation found."""

    rows: list[Row]
    """All that is in the file now."""
    notes: list[str]
    """A sentence for each thing that could not be measured."""


def evaluate(
    folder: pathlib.Path,
    config: EvaluateConfig = DEFAULT,
    engine: engine_pool.EngineConfig = DEFAULT_ENGINE,
    told: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Measures what is missing in a run folder's evaluation.

    Args:
        folder: of a run.
        config: static settings.
        engine: where harm and quality come from.
        told: told what is being measured.

    Raises:
        SettingError: `folder` holds no run or nothing to measure, nothing can be written there, or
            another process is at work in it.
        Unwritten: writing failed in the end; holds what was found.
    """
    notes: list[str] = []
    run = open_run(folder, notes)
    with alone(folder):
        return _evaluate(run, notes, config, engine, told)


def _evaluate(
    run: Run,
    notes: list[str],
    config: EvaluateConfig,
    engine: engine_pool.EngineConfig,
    told: Callable[[str], None],
) -> Evaluation:
    """Measures what is missing, with the folder to itself."""
    folder = run.folder
    outputs.check_file(folder / EVALUATION, name="RUN")
    if config.cache is not None:
        read = [path for path in (config.puzzles, config.corpus) if path]
        read += spelled.inputs_of(*config.references)
        outputs.check_file(config.cache, read, "--cache", append=True)
    # Before anything is measured: what cannot be compared, is told first.
    references = {s: shift_table.policy(spelled.load_network(s)) for s in config.references}
    work = Work(run, config, Ledger(folder, notes), told, references)
    views = evaluate_games.Views(work)
    if not run.members():
        notes.append(f"{folder} holds no networks/ yet: W' was left out. Finish the run first.")
    if not run.games:
        missing = "games/*.npz" if run.rows else "whole row in rows.jsonl"
        notes.append(f"{folder} holds no {missing}: measures of its games were left out.")
    evaluate_games.queries_of(work)
    evaluate_games.measures_of(work, views)
    if run.game.name == "connect_four":
        evaluate_solver.by_solver(work, views)
    if run.game.name != "chess":
        notes.append(
            f"This run plays {run.game.name}: puzzles, move match, shift, harm and quality are of"
            " chess alone."
        )
    else:
        evaluate_networks.puzzles_of(work)
        evaluate_networks.move_match(work)
        evaluate_networks.shift_of(work)
        if run.games:
            _by_engine(work, views, engine)
    if not work.ledger.rows:
        raise SettingError(f"{folder}: nothing could be measured there. {' '.join(notes)}")
    found = Evaluation(work.ledger.rows, notes)
    with outputs.keeping(found, folder / EVALUATION):
        if work.ledger.unwritten is not None:
            raise work.ledger.unwritten
        pictures.draw_evaluation(folder, work.ledger.rows)
    return found


def _by_engine(work: Work, views: evaluate_games.Views, engine: engine_pool.EngineConfig) -> None:
    """Harm and quality; a missing or failing engine is noted, and what it told is kept."""
    try:
        with engine_pool.Pool(engine) as pool:
            path = work.config.cache or analyses.default_path()
            with analyses.Analyses(pool, work.config.nodes, path) as judge:
                if evaluate_games.harm_of(work, views, judge):
                    evaluate_games.quality_of(work, views, judge)
    except SettingError as error:
        work.ledger.notes.append(f"Harm and quality were left out: {error}")


def show(
    folder: pathlib.Path, config: EvaluateConfig, engine: engine_pool.EngineConfig, console: Console
) -> Evaluation:
    """Evaluates a run folder, then shows the main figures and what was left out."""

    def measure() -> Evaluation:
        with display.bar("Evaluation") as bar:
            return evaluate(folder, config, engine, bar.say)

    def shown(found: Evaluation) -> None:
        console.print(table(open_run(folder), found.rows))
        for note in found.notes:
            console.print(note, highlight=False, markup=False)

    found = outputs.show(measure, shown)
    console.print(f"All rows: {folder / EVALUATION}", highlight=False, markup=False)
    return found


def table(run: Run, rows: list[Row]) -> Table:
    """A line a network: what there is of the figures that matter most."""
    shown = Table(
        box=box.SIMPLE,
        pad_edge=False,
        padding=(0, 0, 0, 1),
        title=escape(f"Evaluation of {run.folder}"),
        caption="Puzzles, PGR on them, move match (humans), KL to W and effective number of moves"
        " (self-play positions), AUC of W's own probability of the advised move, win probability"
        " lost to corrupted advice less honest (Stockfish), average centipawn loss of the assisted"
        " side, ECE of the value of W'. Below each figure the ends of its 95% interval.",
    )
    if run.game.name == "connect_four":
        return _table_of_perfect_play(shown, run, rows)
    headers = ("puzzles", "PGR", "match", "KL", "moves", "AUC", "harm", "ACPL", "ECE")
    shown.add_column("network", overflow="fold", min_width=13)
    for header in headers:
        shown.add_column(header, justify="right", no_wrap=True)
    for name in run.networks:
        shown.add_row(escape(name), *_cells(name, rows), end_section=True)
    return shown


def _table_of_perfect_play(shown: Table, run: Run, rows: list[Row]) -> Table:
    """The figures of Connect Four, by a perfect solver."""
    shown.caption = (
        "Moves that keep the result of perfect play, and moves of different result ordered rightly"
        " one ply ahead, in positions of random movers (random: a third) and of near-perfect play;"
        " results lost to corrupted advice less honest; AUC and ECE as for chess. Below each"
        " figure the ends of its 95% interval."
    )
    shown.add_column("network", overflow="fold", min_width=13)
    for header in ("kept", "kept, near-perfect", "ordered", "lost", "AUC", "ECE"):
        shown.add_column(header, justify="right")
    for name in run.networks:
        show = functools.partial(_figure, name, rows)
        cells = (
            show("perfect play", "kept", ".1%", set="midgame"),
            show("perfect play", "kept", ".1%", set="near-perfect"),
            show("perfect play", "ordered", ".1%", set="midgame"),
            show("outcomes lost", "outcome", ".3f"),
            show("detection", "auc", ".2f", network="W'", score="probability"),
            show("calibration", "ece", ".3f", network="W'"),
        )
        shown.add_row(escape(name), *cells, end_section=True)
    return shown


def _figure(
    name: str, rows: list[Row], measure: str, column: str, form: str, **wanted: object
) -> str:
    """The first such figure of a network, with its interval; nothing where there is none."""
    wanted = {"measure": measure, "subject": name} | wanted
    for row in rows:
        value, low, high = (row.get(column + end) for end in ("", "_lo", "_hi"))
        if all(row.get(key) == what for key, what in wanted.items()) and is_number(value):
            whole = is_number(low) and is_number(high)
            ends = [value, low, high] if whole else [value]
            return "\n".join(f"{number:{form}}" for number in ends)
    return ""


def _cells(name: str, rows: list[Row]) -> list[str]:
    show = functools.partial(_figure, name, rows)
    return [
        show("puzzles", "solved", ".1%", band="all"),
        show("puzzles", "pgr", ".2f", band="all"),
        show("move match", "human", ".1%", group="all"),
        show("shift", "kl_to_start", ".2f", subject="self-play", phase="all", player=name),
        show("shift", "effective_moves", ".1f", subject="self-play", phase="all", player=name),
        show("detection", "auc", ".2f", network="W'", score="probability"),
        show("harm", "harm", ".3f"),
        show("quality", "acpl", ".0f", side="assisted"),
        show("calibration", "ece", ".3f", network="W'"),
    ]
