#!/usr/bin/env python3
"""Measures or trains on a bare machine that has JAX for its accelerator, and nothing else.

    python scripts/on_accelerator.py measure --wheels wheels --out out
    python scripts/on_accelerator.py train --wheels wheels --corpus compact.npz --out out
    python scripts/on_accelerator.py corpus --corpus games.npz --out compact.npz
    python scripts/on_accelerator.py --list-wheels

Rows are JSON, one a line, on standard output and in OUT/rows.jsonl, each as soon as it is known;
docs/accelerator.md tells what is to be carried there.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.accelerator import ahead, wheels  # noqa: E402

AHEAD = 120.0
CACHE = pathlib.Path(tempfile.gettempdir()) / "sandwich_jax-xla"


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="on_accelerator.py", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--list-wheels", action="store_true", help="how to fetch what is carried")
    verbs = parser.add_subparsers(dest="verb")
    for verb in ("measure", "train"):
        own = verbs.add_parser(verb)
        own.add_argument("--seconds", type=float, default=480.0, help="budget; 480 by default")
        own.add_argument("--wheels", type=pathlib.Path, help="a folder of wheels")
        own.add_argument("--toy", action="store_true", help="sizes for a CPU, to try it out")
        own.add_argument("--out", type=pathlib.Path, help="a folder for rows and networks")
        own.add_argument(
            "--cache",
            type=pathlib.Path,
            default=CACHE,
            help="a folder of compiled programs, to be carried to the next machine",
        )
        if verb == "train":
            own.add_argument(
                "--corpus",
                type=pathlib.Path,
                help="a compact corpus for E and W; without one, those shipped",
            )
            own.add_argument("--sweep", type=pathlib.Path, help="settings of the sweep, in TOML")
        else:
            own.add_argument(
                "--ahead",
                type=float,
                default=AHEAD,
                help=f"seconds to compile side by side first; {AHEAD:g} by default",
            )
            own.add_argument("--share", type=_share, help=argparse.SUPPRESS)
    own = verbs.add_parser("corpus")
    own.add_argument("--corpus", type=pathlib.Path, required=True, help="of 'corpus build'")
    own.add_argument("--out", type=pathlib.Path, required=True, help="the compact file")
    own.add_argument("--games", type=int, default=10**9, help="at most so many, the first ones")
    own.add_argument("--mib", type=float, default=40.0, help="no larger than this; 40 by default")
    parsed = parser.parse_args(given)
    if not parsed.verb and not parsed.list_wheels:
        parser.error("say measure, train, corpus or --list-wheels")
    return parsed


def _share(text: str) -> tuple[int, int]:
    first, count = text.split("/")
    return int(first), int(count)


def main(given: list[str] | None = None) -> int:
    """Returns the exit status: 1 if a stage failed, 2 for something that cannot be used."""
    args = _arguments(given)
    if args.list_wheels:
        print(wheels.command(ROOT))
        return 0
    if getattr(args, "seconds", 1) <= 0:
        return _refused(f"seconds is {args.seconds:g}: it must be above 0.")
    if getattr(args, "wheels", None):
        if not list(args.wheels.glob("*.whl")):
            return _refused(
                f"{args.wheels}: no wheels there; --list-wheels says how to fetch them."
            )
        wheels.unpack(args.wheels)
    from sandwich_jax.types import SettingError

    try:
        return _corpus(args) if args.verb == "corpus" else _stages(args)
    except SettingError as error:
        return _refused(str(error))
    except OSError as error:
        return _refused(f"{error.filename or args.out}: {error.strerror or error}.")


def _refused(why: str) -> int:
    print(f"on_accelerator: {why}", file=sys.stderr)
    return 2


def _corpus(args: argparse.Namespace) -> int:
    from sandwich_jax.types import SettingError
    from scripts.accelerator import compact

    if args.out.exists() and args.out.samefile(args.corpus):
        raise SettingError(f"{args.out}: the corpus itself; choose another file with --out.")
    games, size = compact.write(args.corpus, args.out, args.games, args.mib)
    print(f"{games:,} games in {args.out}, {size / compact.MIB:.1f} MiB")
    return 0


def _stages(args: argparse.Namespace) -> int:
    if args.out:  # a mistake here should be told at once
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "rows.jsonl").open("a").close()
    import jax

    from sandwich_jax import forms

    began = time.monotonic()
    if args.verb == "measure" and not args.share and args.ahead > 0 and ahead.shares():
        _compile_ahead(args)
    forms.capture_loops()
    # What one call compiled, the next on the same machine need not.
    jax.config.update("jax_compilation_cache_dir", str(args.cache))
    from scripts.accelerator import measure, train
    from scripts.accelerator.stages import Stages

    stages = Stages(args.seconds, args.out, began)
    if args.verb == "measure":
        measure.run(stages, args.toy, args.share)
    else:
        corpus = train.compact.load(args.corpus) if args.corpus else None  # likewise
        plan = train.plan_of(args.sweep, args.toy)
        out = args.out or pathlib.Path(tempfile.mkdtemp(prefix="on_accelerator-"))
        stages.run("machine", measure.machine)
        train.run(stages, corpus, out, plan)
    print(f"{stages.spent:.0f} s; failed: {', '.join(stages.failed) or 'nothing'}", file=sys.stderr)
    return bool(stages.failed)


def _compile_ahead(args: argparse.Namespace) -> None:
    """Before JAX takes the device's memory in this process."""
    command = [__file__, "measure", "--seconds", str(args.ahead)]
    command += ["--toy"] * args.toy + ["--wheels", str(args.wheels)] * bool(args.wheels)
    command += ["--cache", str(args.cache)]
    began = time.monotonic()
    ended = ahead.compile_side_by_side(command, args.ahead, ahead.shares())
    print(f"compiled ahead in {time.monotonic() - began:.0f} s; exit statuses: "
          + ", ".join("stopped" if status is None else str(status) for status in ended),
          file=sys.stderr, flush=True)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
