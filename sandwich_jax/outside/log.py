"""Rows to JSONL and to Weights & Biases."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any, Literal, cast

import wandb

from sandwich_jax import given
from sandwich_jax.outside import store

MOST_LETTERS = 120
"""Of a run's identifier; Weights & Biases takes 128."""
WandbMode = Literal["offline", "online", "disabled"]


def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file; none if there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def write_rows(path: pathlib.Path, rows: list[dict[str, Any]]) -> None:
    """Writes a JSONL file, whole or not at all."""
    store.write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


class Logger:
    """Writes rows to `rows.jsonl` and one Weights & Biases run a member."""

    def __init__(self, folder: pathlib.Path, config: dict[str, Any], mode: WandbMode):
        self.path, self.config = folder / "rows.jsonl", config
        self.runs = WandbRuns(folder, mode)

    def forget_after(self, round_index: int) -> None:
        """Drops rows of later rounds."""
        kept = [row for row in read_rows(self.path) if row["round"] <= round_index]
        write_rows(self.path, kept)

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """Adds the rows of one round, all or none of them."""
        rows = store.to_plain(rows)
        write_rows(self.path, read_rows(self.path) + rows)
        for row in rows:
            self.runs.log(row["member"], self.config | {"member": row["member"]}, row)

    def close(self) -> None:
        """Finishes the Weights & Biases runs of this folder."""
        self.runs.close()


class WandbRuns:
    """Weights & Biases runs of one folder: one group, a run a member."""

    def __init__(self, folder: pathlib.Path, mode: WandbMode):
        self.folder, self.mode = folder, mode
        self.open: dict[str, Any] = {}

    def log(self, name: str, config: dict[str, Any], row: dict[str, Any]) -> None:
        """Sends a row to the run called `name`, which is opened if need be."""
        if self.mode == "disabled":
            return
        if name not in self.open:
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
