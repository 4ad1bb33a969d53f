"""A grid of runs on text in a folder: every member a run folder of its own."""

from __future__ import annotations

import itertools
import json
import math
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sandwich_jax import given, outputs, sweep_file
from sandwich_jax.folders import log, places, store
from sandwich_jax.folders.alone import alone
from sandwich_jax.language import config as configs
from sandwich_jax.language import measures, runs, table
from sandwich_jax.language.config import CONTROL, Config
from sandwich_jax.language.models import Folder
from sandwich_jax.measures import critical, shares
from sandwich_jax.measures.elo import Interval, interval
from sandwich_jax.report import language_charts
from sandwich_jax.running import run_folder
from sandwich_jax.running.run_folder import Progress
from sandwich_jax.types import SettingError

CONTENTS = {
    "manifest.json": "the sweep's settings, versions, commit, device",
    "rows.jsonl": "one row a round a member, of all runs",
    "phase.json": "the grid with intervals over seeds",
    "members": "a run folder for every member",
    "pgr_against_p.png": "PGR against the strength of misalignment",
}
"""What a sweep's folder holds."""
MOST_RUNS = 10_000
HOW = ("protocol", "advice")
"""What says how W uses advice: it may differ within a pair that is compared."""
OF_LIES = ("misalignment", "lasts", "per_document")
"""Settings of every run that say how A lies, and for how long."""
OF_BASELINE = ("models", "held_out", "measured", "exact", "seed")
"""Settings that the figures of W, E and M depend on."""
FIGURES = (*measures.GAPS, *language_charts.FIGURES, "toxicity_second", *language_charts.OTHER,
           *language_charts.USE)  # fmt: skip
"""Columns that a sweep gives over seeds."""


class Part(NamedTuple):
    """A run of the grid."""

    config: Config

    @property
    def id(self) -> str:
        """Names it for good, whatever else the grid holds: a folder's name."""
        digest = given.digest(_same(store.to_plain(self.config.plain())))
        name = places.slug(configs.members_of(self.config)[0].name)
        return f"{given.cut(name, 120)}-seed={self.config.seed}-{digest}"


class Phase(NamedTuple):
    """The grid after the last round, of the runs that have finished it."""

    rows: list[dict[str, Any]]
    """One a cell, with intervals over seeds."""
    paired: list[dict[str, Any]]
    """How much more of the gap each protocol closes than always_follow at the same strength."""


def parse(settings: Mapping[str, Any]) -> tuple[Part, ...]:
    """The runs that a sweep's file spans: first controls, then every combination.

    Args:
        settings: of a run on text, where lists are axes; `seeds` is a list, or how many from 0.

    Raises:
        SettingError: a setting is unknown, of another type, cannot be an axis or is of no use to
            any run, or the grid is too large.
    """
    asked = dict(settings)
    seeds = sweep_file.seeds_in(asked.pop("seeds", 1))
    core = configs.core()
    control = core["control"].typed("control", asked.pop("control", True))
    controls = core["controls"].typed("controls", asked.pop("controls", ()))
    if controls and not control:
        raise SettingError(
            "controls is set, but control is false: a sweep runs controls beside the one that never"
            " asks."
        )
    if "seed" in asked:
        raise SettingError("seed is set, but a sweep has seeds: a list, or how many.")
    axes = {name: _values(name, value) for name, value in asked.items()}
    count = math.prod(map(len, (seeds, *axes.values())))
    if count > MOST_RUNS:
        raise SettingError(
            f"The grid would have {given.counted(count)} runs: at most {MOST_RUNS:,}."
        )
    found: dict[Config, Part] = {}
    for part in _never_asking(axes, controls, seeds) if control else ():
        found[part.config] = part
    used: set[str] = set()
    for seed in seeds:
        for values in itertools.product(*axes.values()):
            own = dict(zip(axes, values, strict=True))
            part = _part(own, seed)
            found.setdefault(part.config, part)
            used |= {*core, *configs.used(part.config)}
    for name, values in axes.items():
        if name not in used and values != [_usual(name)]:
            raise SettingError(
                f"{name} is set, but no run of the grid has a use of it: leave it out, or choose a"
                " misalignment or a protocol that has."
            )
    return tuple(found.values())


def _never_asking(
    axes: Mapping[str, Sequence[Any]], controls: Sequence[str], seeds: Sequence[int]
) -> Iterator[Part]:
    """W that never asks, and the further controls: at all settings that change what it learns.

    How A would lie changes neither it nor the ceiling, whose A is honest: of those settings the
    grid's first value stands for all.
    """
    core = {n: own for n, own in axes.items() if n in configs.core() and n not in HOW}
    core = {n: own[:1] if n in OF_LIES else own for n, own in core.items()}
    for seed in seeds:
        for values in itertools.product(*core.values()):
            own = dict(zip(core, values, strict=True)) | {"controls": controls, "seed": seed}
            yield Part(Config(protocol=CONTROL, advice="sentence", **own))


def _values(name: str, value: Any) -> list[Any]:
    """The values along an axis, or the single one of what is none, each of its type."""
    setting = configs.about(name)
    many = isinstance(value, list | tuple)
    if many and not (setting.axis or setting.strength):
        raise SettingError(f"{name} is a list, but it is no axis of a sweep.")
    found = [setting.one(name, one) for one in (value if many else [value])]
    if not found:
        raise SettingError(f"{name} is empty: give at least one value.")
    given.distinct(name, found)
    return found


def _usual(name: str) -> Any:
    """A setting where nobody gives it, as a value along its axis."""
    setting = configs.about(name)
    return setting.one(name, 0) if setting.strength else setting.default


def _part(own: dict[str, Any], seed: int) -> Part:
    """One run; what its kinds have no use of is left out where the grid varies it or its kinds."""
    core = {n: v for n, v in own.items() if n in configs.core()}
    kinds = {n: v for n, v in own.items() if n not in configs.core()}
    blank = configs.unchecked(core)
    known = configs.used(blank)
    kinds = {n: ((v,) if configs.about(n).strength else v) for n, v in kinds.items() if n in known}
    return Part(Config(**core, **kinds, seed=seed, control=False))


def identity(value: Any) -> str:
    """A setting as a reader reads it."""
    return given.exact(value) if isinstance(value, float) else str(value)


def run(
    settings: Mapping[str, Any],
    folder: pathlib.Path,
    *,
    wandb: log.WandbMode = "offline",
    progress: Progress = lambda done, total, text: None,
    pause: Callable[[], None] = lambda: None,
) -> Phase:
    """Runs all that `folder` has not finished, then measures the whole grid.

    Args:
        settings: see `parse`.
        folder: the sweep's; a grid may grow from call to call, and be joined by another file's.
        wandb: of all members.
        progress: told rounds of members done, and in all.
        pause: called after every checkpoint; may raise.

    Raises:
        SettingError: a setting cannot be used, or `folder` holds something else, or another
            process is at work there.
    """
    outputs.check_folder(folder)
    log.check_wandb(wandb)
    parts = parse(settings)
    models = Folder(pathlib.Path(parts[0].config.models))
    with run_folder.disk_told(folder), alone(folder):
        _claim(folder, settings)
        _run_all(folder, parts, models, wandb, progress, pause)
        found = phase(folder)
        store.write_json(folder / "phase.json", store.to_plain(found._asdict()))
        language_charts.draw_sweep(folder, found.rows)
    return found


def _run_all(
    folder: pathlib.Path,
    parts: Sequence[Part],
    models: Folder,
    wandb: log.WandbMode,
    progress: Progress,
    pause: Callable[[], None],
) -> None:
    """Every run, one after another."""
    sizes = [part.config.rounds * len(configs.members_of(part.config)) for part in parts]
    before, heard, seed = 0, {}, None
    for part, size in zip(parts, sizes, strict=True):
        if part.config.seed != seed:  # runs come seed by seed, and what A says is of one
            heard, seed = {}, part.config.seed

        def told(done: float, total: float, text: str, before: int = before) -> None:
            progress(before + done, sum(sizes), text)

        _run_one(folder, part, models, heard, wandb, told, pause)
        before += size


def _run_one(
    folder: pathlib.Path,
    part: Part,
    models: Folder,
    heard: dict[Any, Any],
    wandb: log.WandbMode,
    told: Progress,
    pause: Callable[[], None],
) -> None:
    """One run, with the models and what A has said of the others."""
    own = folder / "members" / part.id
    shared = table.table(part.config, models)._replace(heard=heard)
    common = _baseline(folder, part.config)
    if not (own / "baseline.npz").exists():
        run_folder.claim(own, part.config, runs.default_of, runs.OF)
        runs.baseline(shared, common)
        (own / "baseline.npz").write_bytes(common.read_bytes())
    runs.run(part.config, own, wandb=wandb, progress=told, pause=pause, shared=shared)


def _baseline(folder: pathlib.Path, config: Config) -> pathlib.Path:
    """Where a sweep keeps what W, E and M do, for all runs that measure them alike."""
    told = _same([getattr(config, name) for name in OF_BASELINE])
    return folder / "baselines" / f"{config.seed}-{given.digest(told)}.npz"


def _claim(folder: pathlib.Path, settings: Mapping[str, Any]) -> None:
    path = folder / "manifest.json"
    if path.exists():
        if store.read_object(path).get("language") != "sweep":
            raise SettingError(f"{folder} holds no sweep of text; choose another with --out.")
    elif folder.exists() and any(folder.iterdir()):
        raise SettingError(f"{folder} is not empty and holds no sweep; choose another with --out.")
    about = store.manifest({}) | {"sweep": store.to_plain(dict(settings)), "language": "sweep"}
    del about["config"]
    store.write_json(path, about)


# --- the whole grid -----------------------------------------------------------------------------


def phase(folder: pathlib.Path) -> Phase:
    """Gathers the rows of all runs, and gives every cell an interval over its seeds.

    A run that was interrupted has no place in a cell before it is finished.
    """
    every: list[dict[str, Any]] = []
    known: Known = {}
    strengths = [name for name, setting in configs.owned().items() if setting.strength]
    said = (*language_charts.MEANING, *strengths)
    for path in sorted(folder.glob("members/*/rows.jsonl")):
        run_, stored = path.parent.name, _stored(path.parent)
        own = [{"run": run_, "cell": None} | row for row in log.read_rows(path)]
        known |= {_who(row): _settings(stored, {n: row.get(n) for n in said}) for row in own}
        every += own
    _tell_apart(every, known, said)
    log.write_rows(folder / "rows.jsonl", every)
    last = [row for row in every if row["round"] == known[_who(row)]["rounds"]]
    cells: dict[str, dict[int, dict[str, Any]]] = {}
    for row in last:  # a member that several files ask for counts once a seed
        place = _same([row["member"], known[_who(row)]])
        cells.setdefault(place, {}).setdefault(row["seed"], row)
    found = [list(own.values()) for own in cells.values()]
    return Phase([_cell(own) for own in found], _paired(found, known, said))


Known = dict[tuple[str, str], dict[str, Any]]
"""All that a member's figures depend on but its seed, by its run and its name."""


def _who(row: Mapping[str, Any]) -> tuple[str, str]:
    return (row["run"], row["member"])


def _stored(folder: pathlib.Path) -> dict[str, Any]:
    """All settings of a run; one that its manifest does not name is as by default."""
    stored = store.read_object(folder / "manifest.json", "config")
    try:
        kinds = configs.used(configs.unchecked(stored))
    except SettingError:  # a kind of one's own, which is not there now
        kinds = {}
    declared = {**configs.core(), **kinds}
    return store.to_plain({name: s.default for name, s in declared.items()}) | stored


def _settings(stored: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What a member has of its run's settings, where its row says some itself.

    It may be of a control, which does not ask A, or of one strength of several.
    """
    own = {**stored, **said}
    return {n: v for n, v in own.items() if n != "seed" and n not in configs.MEMBERS}


def _same(settings: Any) -> str:
    """Equal where settings are."""
    return json.dumps(settings, sort_keys=True)


def _tell_apart(rows: Sequence[dict[str, Any]], known: Known, said: Sequence[str]) -> None:
    """Names in `cell` what the grid varies beside what a row says itself.

    The grid is all that the folder holds, of however many files. W that never asks has a grid of
    its own, since its runs do not follow every axis.
    """
    values: dict[tuple[bool, str], set[str]] = {}
    for own in known.values():
        for name, value in own.items():
            values.setdefault((own["protocol"] == CONTROL, name), set()).add(_same(value))
    told = {}
    for who, own in known.items():
        varied = [name for name in own if len(values[(own["protocol"] == CONTROL, name)]) > 1]
        words = [f"{name} {identity(own[name])}" for name in varied if name not in said]
        told[who] = ", ".join(words) or None
    for row in rows:
        row["cell"] = told[_who(row)]


def _cell(own: list[dict[str, Any]]) -> dict[str, Any]:
    if len(own) == 1:
        return own[0] | {"seeds": 1}
    row = {n: v for n, v in own[0].items() if all(other.get(n) == v for other in own)}
    row |= {"seeds": len(own)}
    for name in FIGURES:
        if any(name in one for one in own):
            row |= shares.columns(name, measures.over_seeds(own, name))
    for name in own[0]:
        if name.startswith(("w_", "e_", "m_")):
            row[name] = float(np.mean([one[name] for one in own]))
    return row


def _paired(
    cells: Sequence[Sequence[dict[str, Any]]], known: Known, said: Sequence[str]
) -> list[dict[str, Any]]:
    """PGR over that of always_follow on sentences, with the same seed and the same settings.

    always_follow declares nothing of its own: what its run has set is what a protocol that is
    compared with it has to share.
    """
    plain = [
        row
        for own in cells
        for row in own
        if row["protocol"] == "always_follow" and not row["role"] and row["advice"] == "sentence"
    ]
    shared = {row["misalignment"]: set(known[_who(row)]) - set(HOW) for row in plain}

    def place(row: Mapping[str, Any]) -> str:
        names, own = shared.get(row["misalignment"], ()), known[_who(row)]
        return _same([row["seed"], {name: own.get(name) for name in names}])

    yardstick = {place(row): row for row in plain}
    found = []
    for own in cells:
        pairs = [(row, yardstick[place(row)]) for row in own if place(row) in yardstick]
        if not pairs or own[0]["protocol"] == "always_follow":
            continue
        row = {name: own[0].get(name) for name in ("member", "cell", *said)}
        for name in measures.GAPS:
            row |= shares.columns(name, _difference(pairs, name))
        found.append(row)
    return found


def _difference(pairs: Sequence[tuple[dict, dict]], name: str) -> Interval | None:
    if any(a.get(name) is None or b.get(name) is None for a, b in pairs):
        return None
    gaps = np.asarray([a[name] - b[name] for a, b in pairs])
    if len(gaps) == 1:
        return None
    return interval(critical.mean_over_seeds(gaps[:, None])[:, 0])
