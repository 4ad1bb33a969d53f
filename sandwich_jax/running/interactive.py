"""A run from Python: progress where somebody watches, and errors without our own insides."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable

from sandwich_jax.driver import Result
from sandwich_jax.folders import log
from sandwich_jax.machine import display, interrupts
from sandwich_jax.members import Config
from sandwich_jax.running import run_folder
from sandwich_jax.types import SettingError


def _shown(
    progress: run_folder.Progress | None,
) -> contextlib.AbstractContextManager[run_folder.Progress]:
    return display.watched("Run") if progress is None else contextlib.nullcontext(progress)


def run(
    config: Config,
    folder: pathlib.Path | str = "runs/run",
    *,
    wandb: log.WandbMode = "offline",
    progress: run_folder.Progress | None = None,
    pause: Callable[[], None] = lambda: None,
) -> Result:
    """Runs `config` in `folder`, or goes on with what an earlier call left there.

    Args:
        config: settings of the run.
        folder: the run's folder.
        wandb: offline needs no account; `wandb sync` sends it later.
        progress: told work done, work in all, and what was done; by default it is shown in a
            terminal or a notebook, and nowhere else.
        pause: called after every checkpoint; may raise.

    Raises:
        SettingError: a setting cannot be used, or `folder` holds another run.
        KeyboardInterrupt: by Ctrl-C; the same call goes on after the last whole round.
    """
    try:
        with interrupts.watch() as watch, _shown(progress) as update:
            told = interrupts.stopping(update, watch)
            return run_folder.run(config, folder, wandb=wandb, progress=told, pause=pause)
    # Their place is the caller's line: frames of ours say nothing that the sentence does not.
    except SettingError as error:
        raise error.with_traceback(None) from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "interrupted; the same call goes on after the last whole round"
        ) from None
