"""A sweep in its folder: every member a run folder of its own, gathered by process 0."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any

import jax

from sandwich_jax import driver, grid, lane_layout, outputs, sandwich, sweep_file
from sandwich_jax.folders import checkpoints, log, places, store
from sandwich_jax.folders.alone import alone
from sandwich_jax.folders.places import is_done, member_folder
from sandwich_jax.grid import Part
from sandwich_jax.lane_layout import Layout
from sandwich_jax.machine import cluster, notices, programs
from sandwich_jax.measures.standing import Standings
from sandwich_jax.members import Config, Member, assistant_of, loss_of
from sandwich_jax.objectives import OBJECTIVES
from sandwich_jax.players import spelled
from sandwich_jax.running import own_corpus, pace, phase, phase_pictures, run_folder
from sandwich_jax.running.gathered import Gathered, Progress
from sandwich_jax.running.match_book import MatchBook
from sandwich_jax.running.phase import Phase
from sandwich_jax.running.settings import Devices
from sandwich_jax.types import Rollout, SettingError, Truth

CONTENTS = {
    "manifest.json": "the sweep's settings, versions, commit, device",
    "rows.jsonl": "one row a round a member, of all members",
    "phase.json": "the grid with intervals over seeds, and where curves cross",
    "members": "a run folder for every member",
    "arena": "matches that members have in common",
    "wandb": "Weights & Biases: one group, a run a member",
}
"""What a sweep's folder holds."""


def run(
    settings: Mapping[str, Any],
    folder: pathlib.Path | str,
    *,
    parts: Sequence[Part] = (),
    where: Devices = Devices(),
    wandb: log.WandbMode = "offline",
    progress: run_folder.Progress = lambda done, total, text: None,
    pause: Callable[[], None] = lambda: None,
) -> tuple[Phase, dict[str, Any]]:
    """Runs every member that `folder` has not finished, then measures the whole grid.

    Returns it with `pace.Pace.figures` of this process.

    Args:
        settings: of a sweep file, see `grid.parse`.
        folder: the sweep's; shared by all processes. A grid may grow from call to call.
        parts: the members that `settings` span, where that is known.
        where: devices.
        wandb: of process 0, for all members.
        progress: told work done and in all, in rounds of one member.
        pause: called wherever nothing would be lost; may raise.

    Raises:
        SettingError: a setting cannot be used, or `folder` holds something else.
    """
    folder, first = pathlib.Path(folder), jax.process_index() == 0
    if first:
        outputs.check_folder(folder)
        log.check_wandb(wandb)
    parts = parts or grid.parse(settings)
    if jax.process_count() > len(parts):
        raise SettingError(
            f"{jax.process_count()} processes for {len(parts)} members: use at most {len(parts)}."
        )
    layout = lane_layout.layout(where.mode, where.devices, where.group)
    setups = _Setups(parts)
    with alone(folder, first):
        if first:
            _claim(folder, settings)
            _forget_damaged(folder, parts)
            _forget_measured(folder, parts)
        mine = _share_of_this_process(folder, parts)
        gathered = Gathered(folder, parts, wandb)
        told = Progress(mine, gathered, progress)
        with run_folder.disk_told(folder), futures.ThreadPoolExecutor(1) as writer:
            world = driver.World(MatchBook(folder / "arena"), told.step, told.skip, pause)
            try:
                for program, own in grid.programs(mine).items():
                    setup = setups.of(program)
                    members = [
                        (p.config, _MemberFolder(folder, setup, p, writer, told)) for p in own
                    ]
                    fitted = _fitted(layout, where, setup, own)
                    told.pace.begin(functools.partial(setups.pieces, setup, fitted))
                    driver.drive(setup, setups.standings(setup, fitted), members, fitted, world)
                    programs.make_room()
                _wait_for_others(folder, parts, gathered, pause)
            finally:
                gathered.look()
                gathered.wandb.close()
            result = phase.phase(folder, parts), told.pace.figures()
            _store(folder, result)
    cluster.barrier("measured")
    return result


def _forget_measured(folder: pathlib.Path, parts: Sequence[Part]) -> None:
    """Removes what an earlier call measured of the grid, if there are members to play: a report
    would show it as that of the whole grid."""
    if not all(is_done(folder, part) for part in parts):
        (folder / "phase.json").unlink(missing_ok=True)


def _share_of_this_process(folder: pathlib.Path, parts: Sequence[Part]) -> list[Part]:
    """The members that this process is to play; all processes come here.

    Where fewer are left than there are processes, some wait for the others: the same command goes
    on after a kill, however far it had come.

    Raises:
        SettingError: they share no folder.
    """
    cluster.barrier("claimed")
    cluster.check_shared(folder / "manifest.json")
    pending = [part for part in parts if not is_done(folder, part)]
    cluster.barrier("counted")
    return pending[jax.process_index() :: jax.process_count()]


def _store(folder: pathlib.Path, result: tuple[Phase, dict[str, Any]]) -> None:
    """Writes what the whole grid shows, by process 0."""
    if jax.process_index() == 0:
        with outputs.keeping(result, folder):
            store.write_json(folder / "phase.json", store.to_plain(result[0]._asdict()))
            phase_pictures.draw(folder, result[0])


def _claim(folder: pathlib.Path, settings: Mapping[str, Any]) -> None:
    """Writes the manifest, or checks that all but the axes of the grid is as it was."""
    path, wanted = folder / "manifest.json", store.to_plain(dict(sweep_file.flat(settings)))
    if path.exists():
        stored = store.read_object(path, "sweep")
        if not stored:
            raise SettingError(f"{folder} holds a run, not a sweep; choose another with --out.")
        fixed = {name for name in (*stored, *wanted) if not sweep_file.is_axis(name)}
        differing = sorted(key for key in fixed if stored.get(key) != wanted.get(key))
        if differing:
            raise SettingError(
                f"{folder} holds a sweep with another {', '.join(differing)}; choose another"
                " folder with --out, or remove this one."
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingError(f"{folder} is not empty and holds no sweep; choose another with --out.")
    about = store.manifest({}) | {"sweep": wanted, "processes": jax.process_count()}
    del about["config"]
    store.write_json(path, about)


def _forget_damaged(folder: pathlib.Path, parts: Sequence[Part]) -> None:
    """Takes the rows of members whose last matches an accident has damaged: they play again."""
    for part in parts:
        if is_done(folder, part):
            try:
                places.points_of(member_folder(folder, part))
            except SettingError as error:
                notices.tell(f"{str(error).rstrip('.')}; this member is played again.")
                log.write_rows(member_folder(folder, part) / "rows.jsonl", [])


class _Setups:
    """What programs share: networks and openings are read once, a match is compiled once.

    Raises:
        SettingError: a program of `parts` cannot be had; known before anything runs.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.by_network: dict[tuple, sandwich.Setup] = {}
        self.matches: dict[tuple, Standings] = {}
        self.timed: dict[tuple, pace.Rest] = {}
        for program in grid.programs(parts):
            self.of(program)

    def standings(self, setup: sandwich.Setup, where: Layout) -> Standings:
        """For programs that have networks, assistant and layout in common."""
        c = setup.config
        key = (c.network, c.saboteur, assistant_of(c), where)
        if key not in self.matches:
            self.matches[key] = sandwich.standings_of(setup, where)
        return self.matches[key]

    def pieces(self, setup: sandwich.Setup, where: Layout) -> pace.Pieces:
        """For one program; board and update are those of all with this network and loss."""
        key = (setup.config.network, loss_of(setup.config), where)
        if key not in self.timed:
            self.timed[key] = pace.time_rest(setup, where)
        return pace.time_pieces(setup, where, self.timed[key])

    def of(self, program: Config) -> sandwich.Setup:
        """For the members of a program."""
        # A corpus is read for the members that learn from it alone.
        name = (program.network, program.saboteur, OBJECTIVES[program.objective].corpus)
        if name not in self.by_network:
            models = spelled.load_models(program)
            if jax.process_index() == 0:
                notices.tell_once(spelled.of_other_capacity(program, models))
            setup = sandwich.prepare(program, models)
            self.by_network[name] = own_corpus.given(setup)
        spelled.check(program, self.by_network[name].models)
        return self.by_network[name]._replace(config=program)


def _fitted(layout: Layout, where: Devices, setup: sandwich.Setup, own: Sequence[Part]) -> Layout:
    """The layout with groups as large as memory holds, unless they are given."""
    if where.group or layout.mode != "vmap":
        return layout
    most = -(-len(own) // len(layout.devices))
    memory = lane_layout.free_memory(layout.devices[0])
    if memory is None or most == 1:
        return dataclasses.replace(layout, group=most)
    config = own[0].config
    first = sandwich.first_learner(setup, config.protocol)
    lane = sandwich.lane_of(config, own[0].member, first, 0)

    def one(group: int) -> Callable:
        return sandwich.lane_round(setup._replace(group=group), config.protocol)

    group = lane_layout.fitting_group(one, lane, (setup.models, setup.starts), memory, most)
    return dataclasses.replace(layout, group=group)


def _wait_for_others(
    folder: pathlib.Path, parts: Sequence[Part], gathered: Gathered, pause: Callable[[], None]
) -> None:
    while jax.process_count() > 1 and not all(is_done(folder, part) for part in parts):
        gathered.look()
        pause()
        time.sleep(0.5)


class _MemberFolder(run_folder.RunFolder):
    """A member as `driver.drive` sees it; a `driver.Outside`."""

    def __init__(
        self,
        folder: pathlib.Path,
        setup: sandwich.Setup,
        part: Part,
        writer: futures.Executor,
        told: Progress,
    ):
        own = member_folder(folder, part)
        setup = setup._replace(config=part.config)
        super().__init__(own, setup)
        self.saver = checkpoints.Background(own / "checkpoints", writer, self.check_round)
        self.counted = told

    def forget_rows_after(self, round_index: int) -> None:
        """Drops rows of rounds that will be played again."""
        run_folder.claim(self.folder, self.setup.config)
        super().forget_rows_after(round_index)

    def games(self, round_index: int, member: Member, rollout: Rollout, truth: Truth) -> None:
        """As in a run; counts them."""
        self.counted.pace.round(self.setup.config, rollout)
        super().games(round_index, member, rollout, truth)

    def result(self, result: driver.Result) -> None:
        """Stores W' after the last round."""
        run_folder.store_networks(self.folder, self.setup, result)

    def save(self, number: int, learners: list[sandwich.Learner]) -> None:
        """As in a run, until nothing needs a checkpoint."""
        if number < self.setup.config.rounds:
            self.saver.save(number, *learners)

    def latest(self, like: list[sandwich.Learner]) -> tuple[int, list[sandwich.Learner]] | None:
        """The member's last whole checkpoint, if there is one."""
        found = self.saver.latest(*like)
        return (found[0], [found[1]]) if found else None

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """Appends to the member's rows; after the last, nothing needs its checkpoints."""
        super().rows(rows)
        if rows[-1]["round"] == self.setup.config.rounds:
            self.saver.clear()
