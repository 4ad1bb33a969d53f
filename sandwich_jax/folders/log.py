"""Rows to JSONL and to Weights & Biases."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import wandb

from sandwich_jax import given
from sandwich_jax.folders import store
from sandwich_jax.machine import notices
from sandwich_jax.types import SettingError
from sandwich_jax.uses import strength_names
from sandwich_jax.words import WandbMode

MOST_LETTERS = 120
"""Of a run's identifier; Weights & Biases takes 128."""
FIGURES = ("elo_gain", "elo_gain_lo", "elo_gain_hi", "pgr", "pgr_lo", "pgr_hi", "a_elo", "e_elo")
"""Columns of numbers that every row of a run has, beside strengths."""


class Lines(NamedTuple):
    """What a file of JSON lines holds."""

    rows: list[dict[str, Any]]
    """Of the lines that are whole."""
    damage: str
    """A clause that names the file and what is wrong with it; empty where all is whole."""


def lines_of(path: pathlib.Path, usable: Callable[[dict], bool] = lambda row: True) -> Lines:
    """The rows of a JSONL file, those that are damaged left out; none if there is no file.

    Args:
        path: the file.
        usable: whether an object is a row of this file.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return Lines([], "")
    except OSError as error:
        return Lines([], f"{path}: it cannot be read ({error.strerror})")
    rows, torn = [], []
    for number, line in enumerate(lines, 1):
        if line and not line.isspace():
            try:
                row = store.parse(line.decode())
            except ValueError:
                row = None
            good = isinstance(row, dict) and usable(row)
            rows.append(row) if good else torn.append(number)
    if not torn:
        return Lines(rows, "")
    more = f" (and {len(torn) - 1} more)" if len(torn) > 1 else ""
    return Lines(rows, f"{path}: line {torn[0]}{more} is not a whole row")


def is_numbered(row: dict[str, Any]) -> bool:
    """Whether an object tells its round and its member."""
    return type(row.get("round")) is int and isinstance(row.get("member"), str)


def is_run_row(row: dict[str, Any]) -> bool:
    """Whether an object is a row of a run, with all that its pictures show."""
    numbers = (*strength_names(), *FIGURES)
    return (
        is_numbered(row)
        and isinstance(row.get("protocol"), str)
        and all(isinstance(row.get(name), str | None) for name in ("misalignment", "role"))
        and all(name in row and _is_number(row[name]) for name in numbers)
    )


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def rounds_whole(rows: Sequence[dict[str, Any]], members: int) -> int:
    """How many rounds, from the first on, have rows of as many members."""
    found: dict[int, set[str]] = {}
    for row in rows:
        found.setdefault(row["round"], set()).add(row["member"])
    return next(n for n in itertools.count() if len(found.get(n + 1, ())) < members)


def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file; none if there is no file.

    Raises:
        SettingError: one of them is damaged.
    """
    rows, damage = lines_of(path)
    if damage:
        raise SettingError(f"{damage}.")
    return rows


def write_rows(path: pathlib.Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes a JSONL file, whole or not at all."""
    store.write_text(path, text_of(rows))


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


class Logger:
    """Writes rows to `rows.jsonl` and one Weights & Biases run a member."""

    def __init__(
        self,
        folder: pathlib.Path,
        config: dict[str, Any],
        mode: WandbMode,
        usable: Callable[[dict[str, Any]], bool] = is_run_row,
    ):
        """`usable` tells whether an object is a whole row."""
        self.path, self.config, self.usable = folder / "rows.jsonl", config, usable
        self.runs = WandbRuns(folder, mode)

    def check(self, round_index: int, members: int) -> None:
        """Raises SettingError where rows of the first `round_index` rounds are not whole."""
        rows, damage = lines_of(self.path, self.usable)
        whole = rounds_whole(rows, members)
        if whole < round_index:
            says = damage or f"{self.path}: it lacks rows of round {whole + 1}"
            raise SettingError(f"{says}.")

    def forget_after(self, round_index: int) -> None:
        """Drops rows of later rounds."""
        rows, damage = lines_of(self.path, is_numbered)
        if damage and not round_index:  # otherwise the checkpoints have told
            notices.tell(f"{damage}; its rounds are played again.")
        write_rows(self.path, [row for row in rows if row["round"] <= round_index])

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """Adds the rows of one round, all or none of them."""
        rows = store.to_plain(rows)
        write_rows(self.path, read_rows(self.path) + rows)
        for row in rows:
            self.runs.log(row["member"], self.config | {"member": row["member"]}, row)

    def close(self) -> None:
        """Finishes the Weights & Biases runs of this folder."""
        self.runs.close()


def check_wandb(mode: WandbMode) -> None:
    """Raises SettingError where Weights & Biases is wanted, but its settings or a key are wrong."""
    if mode == "disabled":
        return
    try:
        wandb.setup(wandb.Settings(mode=mode))  # which the environment may have otherwise
        there = mode == "offline" or wandb.login(verify=False)
    except (wandb.Error, ValueError) as error:
        raise _no_wandb(mode, str(error)) from error
    if not there:
        raise _no_wandb(mode, "no key was given")


def _no_wandb(mode: WandbMode, error: str) -> SettingError:
    # A wrong variable of the environment is told in several lines, the first of which says little.
    says = " ".join(" ".join(error.split("\n")[:3]).partition(" [type=")[0].split()).rstrip(".")
    remedy = "mend the settings of wandb, or say --wandb disabled"
    if mode == "online":
        remedy = (
            "log in with `wandb login` or set WANDB_API_KEY, or say --wandb offline and send it"
            " later with `wandb sync`"
        )
    return SettingError(f"wandb is {mode}, but Weights & Biases cannot be used ({says}): {remedy}.")


class WandbRuns:
    """Weights & Biases runs of one folder: one group, a run a member."""

    def __init__(self, folder: pathlib.Path, mode: WandbMode):
        self.folder = folder
        self.mode: WandbMode = mode
        self.open: dict[str, Any] = {}

    def log(self, name: str, config: dict[str, Any], row: dict[str, Any]) -> None:
        """Sends a row to the run called `name`, which is opened if need be."""
        if self.mode == "disabled":
            return
        if name not in self.open:
            try:
                self.open[name] = wandb.init(
                    project="sandwich_jax",
                    group=self.folder.name,
                    name=name,
                    id=_identifier(self.folder.name, name),
                    resume="allow",
                    dir=self.folder,
                    config=config,
                    mode=cast(Any, self.mode),
                    reinit="create_new",
                    settings=wandb.Settings(
                        console="off", silent=True, x_disable_stats=True, disable_git=True
                    ),
                )
            # Without a network, or with a key that is not taken; rows.jsonl has all rows.
            except wandb.Error as error:
                raise _no_wandb(self.mode, str(error)) from error
        self.open[name].log({k: v for k, v in row.items() if v is not None}, step=row["round"])

    def finish(self, name: str) -> None:
        """Closes a run."""
        if name in self.open:
            self.open.pop(name).finish()

    def close(self) -> None:
        """Closes all runs."""
        for name in list(self.open):
            self.finish(name)


def _identifier(*parts: str) -> str:
    """Of a Weights & Biases run: others for other parts, whatever their length."""
    text = "-".join(parts)
    return given.cut("".join(c if c.isalnum() or c in "-_" else "-" for c in text), MOST_LETTERS)


os.environ.setdefault("WANDB_SILENT", "true")
