"""A run in its folder: `sandwich_jax.run(config)` and the command line both come here."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import pathlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from jaxtyping import Array, Float

from sandwich_jax import driver, games, lane_layout, outputs, sandwich
from sandwich_jax.config import default_of
from sandwich_jax.driver import Result
from sandwich_jax.folders import checkpoints, log, pgn, places, rollouts, store
from sandwich_jax.folders.alone import alone
from sandwich_jax.machine import notices, waiting
from sandwich_jax.measures import elo, standing
from sandwich_jax.members import Config, Member, compiled_of, members_of
from sandwich_jax.models import Model, Models, encoded_values
from sandwich_jax.players import spelled
from sandwich_jax.report import pictures
from sandwich_jax.running import benign, own_corpus
from sandwich_jax.types import Rollout, SettingError, Truth

PGN_GAMES = 8
"""Self-play games saved a round a member."""

Progress = Callable[[float, float, str], None]
"""`(done, total, what was done)`, in rounds of one member."""


def run(
    config: Config,
    folder: pathlib.Path | str = "runs/run",
    *,
    wandb: log.WandbMode = "offline",
    progress: Progress = lambda done, total, text: None,
    pause: Callable[[], None] = lambda: None,
) -> Result:
    """Runs `config` in `folder`, or goes on with what an earlier call left there.

    Args:
        config: settings of the run.
        folder: the run's folder.
        wandb: offline needs no account; `wandb sync` sends it later.
        progress: told after every step.
        pause: called after every checkpoint; may raise.

    Raises:
        SettingError: a setting cannot be used, or `folder` holds another run, or another process.
        Unwritten: the end of the run could not be written; holds the result.
    """
    folder = pathlib.Path(folder)
    done = folder / "learning_curves.png"  # the last thing that a run writes
    if not done.exists():
        outputs.check_folder(folder)
        log.check_wandb(wandb)
    models = spelled.load_models(config)
    spelled.check(config, models)
    if not done.exists():
        notices.tell_once(spelled.of_other_capacity(config, models))
    config = _with_benign(config, folder, models, progress)
    claim(folder, config)
    if done.exists():
        try:
            return _read_result(folder, config)
        except SettingError as error:
            notices.tell(f"{str(error).rstrip('.')}; the run goes on from its last checkpoint.")
    setup = own_corpus.given(sandwich.prepare(config, models))
    with disk_told(folder), alone(folder):
        outside = RunFolder(folder, setup, wandb)
        try:
            result = _drive(setup, outside, progress, pause)
        finally:
            outside.logger.close()
        with outputs.keeping(result, folder):
            store_networks(folder, setup, result)
            pictures.draw_run(folder, log.read_rows(folder / "rows.jsonl"))
    return result


def _drive(
    setup: sandwich.Setup, outside: RunFolder, progress: Progress, pause: Callable[[], None]
) -> Result:
    """Plays the whole run as one cohort."""
    config, work = setup.config, Work(driver.cost([setup.config]), progress)
    where = lane_layout.layout()
    if where.mode == "vmap":
        where = dataclasses.replace(where, group=_largest_program(config, where))
    standings = sandwich.standings_of(setup, where)
    world = driver.World(driver.NoBook(), work.step, work.skip, pause)
    driver.drive(setup, standings, [(config, outside)], where, world)
    assert outside.found is not None
    return outside.found


def _largest_program(config: Config, where: lane_layout.Layout) -> int:
    """Members of a device at a time, so that no program is called twice."""
    counts = Counter(compiled_of(config, member) for member in members_of(config))
    return -(-max(counts.values()) // len(where.devices))


class Work:
    """Work done and in all, in rounds of one member."""

    def __init__(self, total: float, progress: Progress):
        self.total, self.told, self.done = total, progress, 0.0
        self.waits = waiting.Shares()

    def skip(self, amount: float) -> None:
        """Work that an earlier call did."""
        self.total -= amount

    def step(self, amount: float, text: str) -> None:
        """Counts work; tells also how much of the time engines took, if any is asked."""
        self.done += amount
        self.told(self.done, self.total, " | ".join(filter(None, (text, str(self.waits)))))


def _with_benign(
    config: Config,
    folder: pathlib.Path,
    models: Models,
    progress: Progress,
) -> Config:
    """The configuration with its benign advisers, as an earlier call found them if there was one.

    Raises:
        SettingError: there is none as weak as A.
    """
    if "benign" not in config.controls or config.benign_sigma:
        return config
    path = folder / "manifest.json"
    if path.exists():
        stored = store.read_object(path, "config").get("benign_sigma") or ()
        if not isinstance(stored, list):
            raise SettingError(
                f"{path}, benign_sigma: a list is needed, and there is {stored!r:.40}."
            )
        return dataclasses.replace(config, benign_sigma=tuple(stored))
    setup = sandwich.prepare(config, models)
    return benign.found(setup, lambda text: progress(0.0, 1.0, text))


def _read_result(folder: pathlib.Path, config: Config) -> Result:
    """What a finished run found."""
    path, members = folder / "rows.jsonl", members_of(config)
    rows, damage = log.lines_of(path, log.is_run_row)
    if damage or log.rounds_whole(rows, len(members)) < config.rounds:
        raise SettingError(f"{damage or f'{path}: rows are missing'}.")
    rows = [row for row in rows if row["round"] == config.rounds]
    pairings = places.points_of(folder)
    game = games.make(config.game)
    networks = {
        row["member"]: spelled.stored(folder / "networks" / places.slug(row["member"]), game).params
        for row in rows
    }
    return Result(config, rows, elo.fit(pairings, "W"), networks)


class Plain(Protocol):
    """A configuration."""

    def plain(self) -> dict[str, Any]:
        """All its settings by name."""
        ...


def claim(
    folder: pathlib.Path,
    config: Plain,
    default: Callable[[str], Any] = default_of,
    of: Mapping[str, Any] = {},
    what: str = "a run",
) -> None:
    """Writes the manifest of a new run folder, or checks that an old one is of this configuration.

    Args:
        folder: of the run.
        config: its configuration.
        default: of a setting by its name.
        of: what the manifest says besides.
        what: the folder holds, for sentences.

    Raises:
        SettingError: the folder holds something else; nothing in it is touched.
    """
    path = folder / "manifest.json"
    wanted = store.to_plain(config.plain())
    if path.exists():
        manifest = store.read_object(path)
        if "sweep" in manifest:
            raise SettingError(f"{folder} holds a sweep, not {what}; choose another with --out.")
        stored = store.read_object(path, "config")
        differing = [name for name in wanted if _stored(stored, name, default) != wanted[name]]
        if differing or any(manifest.get(name) != value for name, value in of.items()):
            raise SettingError(
                f"{folder} holds {what} with another {', '.join(differing) or 'purpose'}; choose"
                " another folder with --out, or remove this one."
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingError(
            f"{folder} is not empty and holds no {what.removeprefix('a ')}; choose another with"
            " --out."
        )
    store.write_json(path, store.manifest(wanted) | dict(of))


def _stored(settings: dict[str, Any], name: str, default: Callable[[str], Any]) -> Any:
    """A setting in a manifest; one that it does not name is as by default."""
    return settings.get(name, store.to_plain({name: default(name)})[name])


@contextlib.contextmanager
def disk_told(folder: pathlib.Path) -> Iterator[None]:
    """Turns a disk that takes no more into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK:
            raise
        cause, remedy = _DISK[error.errno]
        raise SettingError(
            f"{folder}: {cause}; finished rounds are kept. {remedy} and run the same command again."
        ) from error


_DISK = {
    errno.ENOSPC: ("no space left on the disk", "Make space"),
    errno.EDQUOT: ("the quota of the disk is used up", "Make space"),
    errno.EROFS: ("its file system can only be read now", "Mend that"),
}
"""What a disk says that takes no more, and what to do."""


class RunFolder:
    """The world as `driver.drive` sees it; a `driver.Outside`."""

    def __init__(
        self, folder: pathlib.Path, setup: sandwich.Setup, wandb: log.WandbMode = "disabled"
    ):
        self.folder, self.setup = folder, setup
        config = store.to_plain(setup.config.plain())
        self.logger = log.Logger(folder, config, wandb)
        self.saver: checkpoints.Numbered = checkpoints.Checkpoints(
            folder / "checkpoints", self.check_round
        )
        self.found: Result | None = None

    def check_round(self, number: int) -> None:
        """Raises SettingError where a run cannot go on after this round: rows are missing."""
        self.logger.check(number, len(members_of(self.setup.config)))

    def latest(self, like: list[sandwich.Learner]) -> tuple[int, list[sandwich.Learner]] | None:
        """The last whole checkpoint, if there is one."""
        return self.saver.latest(like)

    def save(self, number: int, learners: list[sandwich.Learner]) -> None:
        """Keeps a checkpoint of all members."""
        self.saver.save(number, learners)

    def result(self, result: Result) -> None:
        """Takes what the run found."""
        self.found = result

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """Appends to rows.jsonl and to Weights & Biases."""
        self.logger.rows(rows)

    def forget_rows_after(self, round_index: int) -> None:
        """Drops rows of rounds that will be played again."""
        self.logger.forget_after(round_index)

    def matches(self, name: str, matches: standing.Matches) -> None:
        """Points by opening and colour, as arena/NAME.npz with keys "a | b"."""
        path = self.folder / "arena" / f"{name}.npz"
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_name(f".{name}.tmp.npz")
        points: dict[str, Any] = {f"{a} | {b}": s.points for (a, b), s in matches.items()}
        np.savez(temporary, **points)
        temporary.replace(path)

    def games(self, round_index: int, member: Member, rollout: Rollout, truth: Truth) -> None:
        """Arrays of the last round's games; the first games of every round as PGN."""
        arrays = places.games_file(self.folder, member.name)
        rollouts.save(arrays, round_index, rollout, truth)
        if self.setup.game.name != "chess":
            return
        path = self.folder / "games" / f"round-{round_index:03d}-{places.slug(member.name)}.pgn"
        lines = self.setup.game.openings("train")
        one, shown = self.setup, rollout.positions[:, :PGN_GAMES]
        value = values_of(one.game, one.models.expert, shown)
        text = pgn.selfplay_games(
            rollout, truth, lines, member.name, round_index, PGN_GAMES, value=value
        )
        store.write_text(path, text)


def values_of(
    game: games.Game, model: Model, positions: Array | np.ndarray
) -> Float[np.ndarray, "T B"]:
    """A network's values, for the mover and in [-1, 1], of encoded positions [T, B, ...]."""
    times, count = positions.shape[:2]
    flat = np.asarray(positions).reshape(times * count, *positions.shape[2:])
    values = encoded_values(model, game, flat)
    return np.asarray(values).reshape(times, count)


def store_networks(folder: pathlib.Path, setup: sandwich.Setup, result: Result) -> None:
    """Stores W' of every member with its last row."""
    for row in result.rows:
        name = row["member"]
        about = {"member": name, "run": folder.name, "row": store.to_plain(row)}
        card = store.NetworkCard(setup.game.name, setup.models.weak.net.config, about)
        store.save_network(folder / "networks" / places.slug(name), card, result.networks[name])
