"""The rows of an evaluation: each measure once."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable
from typing import Any

from sandwich_jax.folders import log, places, store
from sandwich_jax.measures.of_games import MEASURES, Measure
from sandwich_jax.types import SettingError

Row = dict[str, Any]


class Ledger:
    """The rows of an evaluation: what is there is not measured again."""

    def __init__(self, folder: pathlib.Path, notes: list[str]):
        self.path, self.notes = folder / places.EVALUATION, notes
        self.unwritten: OSError | None = None
        """Why rows are not in the file; they are all here, and go on growing."""
        self.rows, damage = log.lines_of(self.path, _is_measured)
        if damage:
            notes.append(f"{damage}; what is missing is measured again.")

    def once(
        self,
        measure: str,
        subject: str,
        settings: dict[str, Any],
        compute: Callable[[], Iterable[Row]],
    ) -> bool:
        """Measures and writes, unless the same was measured with the same settings.

        Rows get `measure`, `subject` and `settings` beside what `compute` gives; they are written
        together or not at all. Input that cannot be used is noted.

        Returns:
            Whether the rows are there now.
        """
        about = {"measure": measure, "subject": subject, "settings": store.to_plain(settings)}
        if any(all(row.get(k) == v for k, v in about.items()) for row in self.rows):
            return True
        try:
            found = [about | store.to_plain(row) for row in compute()]
        except SettingError as error:
            self.notes.append(f"{measure} of {subject} was left out: {error}")
            return False
        # An older measurement with other settings is replaced.
        kept = [r for r in self.rows if (r["measure"], r["subject"]) != (measure, subject)]
        self.rows = kept + found
        try:
            log.write_rows(self.path, self.rows)
        except OSError as error:
            self.unwritten = error
        return True


def _is_measured(row: Row) -> bool:
    """Whether an object is a row of an evaluation, with all that pictures and charts show."""
    told = all(isinstance(row.get(name), str) for name in ("measure", "subject"))
    return told and MEASURES.get(row["measure"], Measure("")).is_whole(row)
