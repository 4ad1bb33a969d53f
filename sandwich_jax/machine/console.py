"""A command in a terminal, `sandwich-jax` or an experiment: how it begins, prints and ends."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence

from sandwich_jax import outputs
from sandwich_jax.errors import SettingError
from sandwich_jax.machine import notices, preempt
from sandwich_jax.machine.screen import Screen

OUT = Screen(width=None if sys.stdout.isatty() else 140)
"""Where results go."""


def start(arguments: Sequence[str] | None = None) -> None:
    """Begins a command, or ends it with one sentence where it cannot begin.

    Must come before most imports of this package: pgx puts arrays on a device when it is imported.

    Args:
        arguments: of the command; by default the process's.
    """
    quiet_start()
    from sandwich_jax.machine import devices  # JAX, which no help and no mistake should wait for

    try:
        devices.start(sys.argv[1:] if arguments is None else arguments)
    except SettingError as error:
        notices.tell(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        notices.tell("interrupted.")
        sys.exit(130)


def guarded(call: Callable[[], None], own: bool = True) -> None:
    """Calls; one sentence and exit code 2 on settings or input that cannot be used.

    Args:
        call: the command.
        own: this process is there for the command alone.
    """
    try:
        call()
    except SettingError as error:
        print(f"sandwich-jax: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # Nobody reads on, as after `| head`: as the signal would, and nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if error.errno is None:
            raise
        print(f"sandwich-jax: {_io_sentence(error)}", file=sys.stderr)
        sys.exit(2)
    except preempt.Stopped:
        from sandwich_jax.machine import cluster

        preempt.leave(cluster.linger())
    except KeyboardInterrupt as stop:
        says = str(stop) or "interrupted; run the same command again to go on."
        print(f"sandwich-jax: {says}", file=sys.stderr)
        if own:
            # At once: to end the interpreter under a computation that still runs can crash it.
            sys.stdout.flush()
            os._exit(130)
        sys.exit(130)


def _io_sentence(error: OSError) -> str:
    """What the operating system refused, and to which file."""
    if error.errno == errno.ENOSPC:
        place = f" for {error.filename}" if error.filename else ""
        return (
            f"no space left on the disk{place}; what was finished is kept. Make space and run the"
            " same command again."
        )
    place = error.filename2 or error.filename or "reading or writing failed"
    return f"{place}: {outputs.reason(error)}."


def quiet_start() -> None:
    """Turns the persistent compile cache on and the C++ runtime's chatter off.

    Python looks for garbage less often: JAX makes many objects that stay, in its import and in
    every trace, and to look them all through took a tenth of both.
    """
    gc.set_threshold(50_000, 10, 10)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import jax
    import platformdirs

    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    cache = cache or str(platformdirs.user_cache_path("sandwich_jax") / "xla")
    jax.config.update("jax_compilation_cache_dir", cache)
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
