"""Rows to JSONL and to Weights & Biases."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any, Literal, cast

import wandb

from sandwich_jax.outside import store

WandbMode = Literal["offline", "online", "disabled"]


def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file; none if there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


class Logger:
    """Writes rows to `rows.jsonl` and one Weights & Biases run a member."""

    def __init__(self, folder: pathlib.Path, config: dict[str, Any], mode: WandbMode):
        self.path = folder / "rows.jsonl"
        self.folder, self.config, self.mode = folder, config, mode

    def forget_after(self, round_index: int) -> None:
        """Drops rows of later rounds."""
        kept = [row for row in read_rows(self.path) if row["round"] <= round_index]
        self._write(kept)

    def rows(self, rows: list[dict[str, Any]]) -> None:
        """Adds the rows of one round, all or none of them."""
        rows = store.to_plain(rows)
        self._write(read_rows(self.path) + rows)
        for row in rows:
            self._to_wandb(row)

    def _write(self, rows: list[dict[str, Any]]) -> None:
        store.write_text(self.path, "".join(json.dumps(row) + "\n" for row in rows))

    def _to_wandb(self, row: dict[str, Any]) -> None:
        if self.mode == "disabled":
            return
        run = _open_runs.get((self.path, row["member"]))
        if run is None:
            run = wandb.init(
                project="sandwich_jax",
                group=self.folder.name,
                name=row["member"],
                id=_identifier(self.folder.name, row["member"]),
                resume="allow",
                dir=self.folder,
                config=self.config | {"member": row["member"]},
                mode=cast(Any, self.mode),
                reinit="create_new",
                settings=wandb.Settings(
                    console="off", silent=True, x_disable_stats=True, disable_git=True
                ),
            )
            _open_runs[self.path, row["member"]] = run
        run.log({k: v for k, v in row.items() if v is not None}, step=row["round"])

    def close(self) -> None:
        """Finishes the Weights & Biases runs of this folder."""
        for key in [key for key in _open_runs if key[0] == self.path]:
            _open_runs.pop(key).finish()


_open_runs: dict[tuple[pathlib.Path, str], Any] = {}


def _identifier(*parts: str) -> str:
    text = "-".join(parts)
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in text)[:120]


os.environ.setdefault("WANDB_SILENT", "true")
