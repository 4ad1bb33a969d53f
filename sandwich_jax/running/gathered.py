"""What the members of a sweep have written, gathered while it runs, and how far it is."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Sequence

import jax

from sandwich_jax import driver
from sandwich_jax.folders import log, places, store
from sandwich_jax.grid import Part
from sandwich_jax.running import pace, run_folder

GATHER_EVERY = 5.0
"""Seconds between looks at what members have written."""


class Gathered:
    """The rows of all members in one file and in Weights & Biases, by process 0."""

    def __init__(self, folder: pathlib.Path, parts: Sequence[Part], mode: log.WandbMode):
        self.folder, self.parts = folder, parts
        self.wandb = log.WandbRuns(folder, mode)
        self.first = jax.process_index() == 0
        # What an earlier call logged is not logged again; members done need no second look.
        self.counts = {part: self._logged(part) for part in parts} if self.first else {}
        self.looked = 0.0

    def _logged(self, part: Part) -> int:
        path = self.folder / "rows.jsonl"
        # Made of the members' rows; a damaged line is written anew with all others.
        name = places.member_folder(self.folder, part).name
        return sum(row.get("run") == name for row in log.lines_of(path).rows)

    def look(self) -> None:
        """Takes in what members have written since."""
        if not self.first:
            return
        self.looked = time.monotonic()
        rows = {part: places.rows_of(self.folder, part) for part in self.parts}
        for part, own in rows.items():
            for row in own[self.counts[part] :]:
                config = store.to_plain(part.config.plain()) | {"member": row["run"]}
                self.wandb.log(row["run"], config, row)
                if row["round"] == part.config.rounds:
                    self.wandb.finish(row["run"])
            self.counts[part] = max(len(own), self.counts[part])
        everything = [row for own in rows.values() for row in own]
        log.write_rows(self.folder / "rows.jsonl", everything)

    def look_now_and_then(self) -> None:
        """`look`, unless it was just done."""
        if time.monotonic() - self.looked > GATHER_EVERY:
            self.look()


class Progress(run_folder.Work):
    """Work done by this process, and how fast."""

    def __init__(self, mine: Sequence[Part], gathered: Gathered, told: run_folder.Progress):
        super().__init__(driver.cost(part.config for part in mine), told)
        self.gathered, self.pace = gathered, pace.Pace()

    def step(self, amount: float, text: str) -> None:
        """Counts work; gathers rows now and then."""
        super().step(amount, f"{text} | {self.pace}")
        self.gathered.look_now_and_then()
