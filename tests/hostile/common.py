"""What all kinds of hostile input share: calling the program, and what may come of it."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import io
import pathlib
import pkgutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from sandwich_jax import cli

PATIENCE = 120
"""Seconds after which one input counts as a hang, and the process ends with a stack."""


class Done(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


class Outcome(NamedTuple):
    """What came of one input."""

    kind: Literal["read", "refused", "harm"]
    """Used; answered by a sentence and an exit status other than 0; anything else."""
    says: str = ""
    """What was wrong, for `harm`."""


def call(*arguments: object) -> Done:
    """A command in this process, as `sandwich-jax` runs it.

    Raises whatever the command raises: for a user, that is a traceback.
    """
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
            status = code if isinstance(code, int) else 0 if code is None else 1
    return Done(status, out.getvalue(), err.getvalue())


def refused(done: Done) -> Outcome:
    """The outcome of a command that ought to have refused, or did nothing useful."""
    if done.status == 0:
        return Outcome("harm", f"exit status 0: {done.out!r} {done.err!r}")
    lines = done.err.strip().splitlines()
    if len(lines) != 1:
        return Outcome("harm", f"not one sentence: {done.err!r}")
    return Outcome("refused")


class Tally(NamedTuple):
    """What came of many inputs of a kind."""

    inputs: int
    read: int
    refused: int
    seconds: float
    harm: list[str]


def tally(module: Any, cases: Iterable[Any]) -> Tally:
    """Lets the program have every case, each with a folder of its own."""
    counts, harm, start = Counter(), [], time.monotonic()
    for number, case in enumerate(cases):
        with tempfile.TemporaryDirectory() as folder:
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
            try:
                outcome = module.attempt(case, pathlib.Path(folder))
            except Exception:
                outcome = Outcome("harm", traceback.format_exc())
            finally:
                faulthandler.cancel_dump_traceback_later()
        counts[outcome.kind] += 1
        if outcome.kind == "harm":
            harm.append(f"case {number}: {case!r:.2000}\n{outcome.says}")
    spent = time.monotonic() - start
    return Tally(counts.total(), counts["read"], counts["refused"], spent, harm)


def kinds() -> dict[str, Any]:
    """The modules of this folder that make input, by name."""
    package = importlib.import_module("hostile")
    names = [found.name for found in pkgutil.iter_modules(package.__path__)]
    modules = {name: importlib.import_module(f"hostile.{name}") for name in sorted(names)
               if not name.startswith("test_") and name not in ("common", "__main__")}  # fmt: skip
    return {name: module for name, module in modules.items() if hasattr(module, "cases")}
