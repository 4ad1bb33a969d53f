"""What the members of a sweep have written, gathered while it runs, and how far it is."""

from __future__ import annotations

import pathlib
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax

from sandwich_jax import driver
from sandwich_jax.folders import log, places, store
from sandwich_jax.grid import Part
from sandwich_jax.running import pace, run_folder

GATHER_EVERY = 5.0
"""Seconds between looks at what members have written."""
LOOKING = 0.02
"""Of the time, at most, is spent on them."""


class Gathered:
    """The rows of all members in one file and in Weights & Biases, by process 0."""

    def __init__(self, folder: pathlib.Path, parts: Sequence[Part], mode: log.WandbMode):
        self.folder, self.parts = folder, parts
        self.wandb = log.WandbRuns(folder, mode)
        self.first = jax.process_index() == 0
        # What an earlier call logged is not logged again.
        self.logged = self._logged() if self.first else Counter()
        self.seen: dict[Part, tuple[int, ...]] = {}
        """Of each member's file, what changes when rows come."""
        self.held: dict[Part, slice] = {}
        """Where its rows are in the sweep's file, which alone holds them: a sweep may be long."""
        self.size = -1
        self.next = 0.0

    def _logged(self) -> Counter[str]:
        """Rows by member, of those that are whole."""
        rows = log.lines_of(self.folder / "rows.jsonl").rows
        return Counter(str(row.get("run")) for row in rows)

    def look(self) -> None:
        """Takes in what members have written since."""
        if not self.first:
            return
        began = time.monotonic()
        path = self.folder / "rows.jsonl"
        if not path.is_file() or path.stat().st_size != self.size:  # the first look, or an accident
            self.seen, self.held = {}, {}
        fresh: dict[Part, str] = {}
        for part in self.parts:
            if self._has_changed(part):
                rows = places.rows_of(self.folder, part)
                fresh[part] = log.text_of(rows)
                self._tell(part, rows)
        if fresh or not path.is_file():
            self._write(path, fresh)
        now = time.monotonic()
        self.next = now + max(GATHER_EVERY, (now - began) / LOOKING)

    def _write(self, path: pathlib.Path, fresh: dict[Part, str]) -> None:
        """Writes the sweep's file: what is fresh, and the rest as it is there."""
        before = path.read_text(encoding="utf-8") if self.held else ""
        were, texts, self.size = self.held, [], 0
        self.held = {}
        for part in self.parts:
            text = fresh[part] if part in fresh else before[were[part]] if part in were else ""
            self.held[part] = slice(self.size, self.size + len(text))  # JSON is ASCII
            texts.append(text)
            self.size += len(text)
        store.write_text(path, "".join(texts))

    def _has_changed(self, part: Part) -> bool:
        try:
            file = (places.member_folder(self.folder, part) / "rows.jsonl").stat()
        except OSError:
            return self.seen.pop(part, None) is not None
        now = file.st_ino, file.st_size, file.st_mtime_ns
        before, self.seen[part] = self.seen.get(part), now
        return now != before

    def _tell(self, part: Part, rows: list[dict[str, Any]]) -> None:
        """Tells Weights & Biases of rows that it has not."""
        name = places.member_folder(self.folder, part).name
        config = store.to_plain(part.config.plain()) | {"member": name}
        for row in rows[self.logged[name] :]:
            self.wandb.log(name, config, row)
            if row["round"] == part.config.rounds:
                self.wandb.finish(name)
        self.logged[name] = max(len(rows), self.logged[name])

    def look_now_and_then(self) -> None:
        """`look`, unless it was just done."""
        if time.monotonic() > self.next:
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
