"""A run on text in its folder, and the figures that its rows hold."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np

from sandwich_jax import arrays, outputs
from sandwich_jax.folders import checkpoints, log, places, store
from sandwich_jax.folders.alone import alone
from sandwich_jax.language import config as configs
from sandwich_jax.language import measures, models, rounds, table, windows
from sandwich_jax.language.config import Config, Member, members_of
from sandwich_jax.language.measures import Scores
from sandwich_jax.language.models import Folder, TextModel
from sandwich_jax.language.rounds import Learner
from sandwich_jax.language.table import Table
from sandwich_jax.measures import shares
from sandwich_jax.measures.gap import verdict
from sandwich_jax.report import language_charts
from sandwich_jax.running import run_folder
from sandwich_jax.running.run_folder import Progress
from sandwich_jax.types import SettingError

CONTENTS = {
    "manifest.json": "configuration, versions, commit, seed, device",
    "rows.jsonl": "one row a round a member",
    "baseline.npz": "what W, E and M do, with resamples",
    "checkpoints": "the last two rounds of all members",
    "samples": "what each member writes after its last round",
    "networks": "W after the last round, by member (text:PATH)",
    "wandb": "the Weights & Biases runs (offline unless told otherwise)",
    "learning_curves.png": "PGR by round",
    "pgr_against_p.png": "PGR against the strength of misalignment",
}
"""What a run's folder holds."""
SHOWN = 200
"""Sentences of each member that are kept."""
BASELINE = ("W", "E", "M")
OF = {"language": "run"}
"""What the manifest of a run on text says besides."""


def default_of(name: str) -> Any:
    """A setting where nobody gives it."""
    return configs.about(name).default


class Result(NamedTuple):
    """What a run found."""

    config: Config
    rows: list[dict[str, Any]]
    """Of the last round, a row a member."""


def run(
    config: Config,
    folder: pathlib.Path | str,
    *,
    wandb: log.WandbMode = "offline",
    progress: Progress = lambda done, total, text: None,
    pause: Callable[[], None] = lambda: None,
    shared: Table | None = None,
) -> Result:
    """Runs `config` in `folder`, or goes on with what an earlier call left there.

    Args:
        config: settings of the run.
        folder: the run's folder.
        wandb: offline needs no account.
        progress: told rounds of members done, and in all.
        pause: called after every checkpoint; may raise.
        shared: the models, if they are loaded, and what A has said.

    Raises:
        SettingError: a setting cannot be used, or `folder` holds something else, or another
            process is at work there.
    """
    folder, members = pathlib.Path(folder), members_of(config)
    outputs.check_folder(folder)
    log.check_wandb(wandb)
    if shared is None:
        shared = table.table(config, Folder(pathlib.Path(config.models)))
    shared = shared._replace(config=config)
    with run_folder.disk_told(folder), alone(folder):
        run_folder.claim(folder, config, default_of, OF)
        rows = _finished(folder, config, len(members))
        if rows is None:
            rows = _go_on(config, folder, shared, wandb, progress, pause)
    return Result(config, rows)


def _go_on(
    config: Config,
    folder: pathlib.Path,
    shared: Table,
    wandb: log.WandbMode,
    progress: Progress,
    pause: Callable[[], None],
) -> list[dict[str, Any]]:
    """What is left of a run, and its pictures; returns its last rows."""
    members = members_of(config)
    with futures.ThreadPoolExecutor(1) as writer:
        logger = log.Logger(folder, store.to_plain(config.plain()), wandb, log.is_numbered)

        def usable(number: int) -> None:
            logger.check(number, len(members))

        saver = checkpoints.Background(folder / "checkpoints", writer, usable)
        try:
            rows = _play(config, folder, shared, members, logger, saver, progress, pause)
        finally:
            saver.wait()
            logger.close()
    _draw(folder)
    return rows


def _finished(folder: pathlib.Path, config: Config, members: int) -> list[dict[str, Any]] | None:
    """The last rows of a run that is over."""
    if not (folder / "learning_curves.png").exists():
        return None
    rows, damage = log.lines_of(folder / "rows.jsonl", log.is_numbered)
    if damage or log.rounds_whole(rows, members) < config.rounds:
        return None
    return [row for row in rows if row["round"] == config.rounds]


def _play(
    config: Config,
    folder: pathlib.Path,
    shared: Table,
    members: tuple[Member, ...],
    logger: log.Logger,
    saver: checkpoints.Background,
    progress: Progress,
    pause: Callable[[], None],
) -> list[dict[str, Any]]:
    """All rounds that are left."""
    learners = [rounds.first_learner(shared) for _ in members]
    found = saver.latest(learners)
    first, learners = found if found else (0, learners)
    learners = [Learner(one.train, one.before, _host(one.window)) for one in learners]
    logger.forget_after(first)
    known = baseline(shared, folder / "baseline.npz")
    rows: list[dict[str, Any]] = []
    for index in range(first, config.rounds):
        rows = []
        for place, member in enumerate(members):
            learner, figures = rounds.play_round(shared, member, learners[place], index)
            learners[place] = learner
            rows.append(_row(shared, member, learner, index, figures, known))
            told = f"round {index + 1}/{config.rounds}: {member.name}"
            progress(index * len(members) + place + 1, config.rounds * len(members), told)
            if index + 1 == config.rounds:
                _keep(folder, shared, member, learner, rows[-1])
        logger.rows(rows)
        saver.save(index + 1, learners)
        pause()
    if not rows:
        rows = [
            row for row in log.read_rows(folder / "rows.jsonl") if row["round"] == config.rounds
        ]
    return rows


def _host(window: windows.Window) -> windows.Window:
    return windows.Window(*(np.asarray(part) for part in window))


def baseline(shared: Table, path: pathlib.Path) -> dict[str, Scores]:
    """What W, E and M do, as a file has it or measured anew."""
    if path.exists():
        try:
            return _scores_in(arrays.read(path))
        except SettingError:
            pass  # damaged: measured again
    found = {role: measures.scores(shared.models[role], shared.ruler) for role in BASELINE}
    flat = {
        f"{role} {name}": np.asarray(value)
        for role, scores in found.items()
        for name, value in scores._asdict().items()
        if value is not None
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    store.save_arrays(path, flat)
    return _scores_in(arrays.read(path))


def _scores_in(stored: dict[str, np.ndarray]) -> dict[str, Scores]:
    found: dict[str, dict[str, Any]] = {role: {} for role in BASELINE}
    for key, value in stored.items():
        role, _, name = key.strip("[']").partition(" ")
        found[role][name] = value if value.ndim else float(value)
    blank = dict.fromkeys(Scores._fields)
    return {role: Scores(**blank | own) for role, own in found.items()}  # pyright: ignore


def _row(
    shared: Table,
    member: Member,
    learner: Learner,
    index: int,
    figures: dict[str, Any],
    known: dict[str, Scores],
) -> dict[str, Any]:
    """A member's row: who it is, what it did with advice, and where it stands."""
    config = shared.config
    model = TextModel(shared.net, learner.train.params, shared.models["W"].tokenizer)
    found = measures.scores(model, shared.ruler)
    row: dict[str, Any] = {
        "round": index + 1,
        "member": member.name,
        "role": member.role or None,
        "protocol": member.protocol,
        "misalignment": member.misalignment if member.asks else None,
        "advice": config.advice if member.asks else None,
        "lasts": config.lasts if member.asks else None,
        "seed": config.seed,
        **{name: None for name, s in configs.owned().items() if s.strength},
        **dict(member.strengths),
    }
    closed = measures.gaps(found, known["W"], known["E"])
    for name, interval in closed.items():
        row |= shares.columns(name, interval)
    row["pgr_verdict"] = verdict(closed["pgr"])
    row |= measures.columns(found) | figures
    for role, scores in known.items():
        own = measures.columns(scores)
        row |= {f"{role.lower()}_{n}": own[n] for n in ("toxicity", "preference", "normal_bits")}
    return row


def _keep(
    folder: pathlib.Path, shared: Table, member: Member, learner: Learner, row: dict[str, Any]
) -> None:
    """Stores W' and some of what it writes."""
    model = TextModel(shared.net, learner.train.params, shared.models["W"].tokenizer)
    count = min(SHOWN, shared.config.measured)
    written = measures.samples(model, shared.ruler.key, count).texts
    name = places.slug(member.name)
    store.write_text(folder / "samples" / f"{name}.txt", "".join(f"{t!r}\n" for t in written))
    about = {"member": member.name, "run": folder.name, "row": store.to_plain(row)}
    models.save(folder / "networks" / name, model, about, own=True)


def _draw(folder: pathlib.Path) -> None:
    """Pictures of a run; they come last."""
    language_charts.draw_run(folder, log.read_rows(folder / "rows.jsonl"))
