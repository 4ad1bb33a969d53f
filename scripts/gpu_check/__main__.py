"""`python -m scripts.gpu_check`: compiles for an H100, prints figures, fails above the ceilings."""

from __future__ import annotations

import argparse
import pathlib
import sys
import time
import traceback
from typing import Any

from scripts.gpu_check import target

ROOT = pathlib.Path(__file__).parents[2]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.gpu_check", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="programs whose name begins so")
    parser.add_argument("--write", action="store_true", help="renew ceilings and table, on purpose")
    parser.add_argument(
        "--figures", type=pathlib.Path, metavar="FILE",
        help="write the figures there instead of comparing them",
    )  # fmt: skip
    parser.add_argument("--tpu", action="store_true", help="only lower for a TPU")
    parser.add_argument("--list", action="store_true", help="print the names of the programs")
    return parser.parse_args()


def main() -> int:
    """Returns the exit status: 1 if a figure is above its ceiling or a program does not compile."""
    given = _arguments()
    with target.scratch() as folder:
        target.environment(pathlib.Path(folder))
        from sandwich_jax import forms

        forms.capture_loops()  # as wherever a program starts; XLA reads it once, in what follows
        from scripts.gpu_check import programs

        chosen = [
            name
            for name in programs.PROGRAMS
            if not given.only or any(name.startswith(wanted) for wanted in given.only)
        ]
        if not chosen:
            wanted = ", ".join(given.only)
            print(f"gpu-check: no program is called {wanted}; --list names all.", file=sys.stderr)
            return 2
        if given.list:
            print("\n".join(chosen))
            return 0
        failed = _lower_for_tpu(chosen)
        return failed if given.tpu else max(failed, _check(chosen, given, pathlib.Path(folder)))


def _lower_for_tpu(chosen: list[str]) -> int:
    import jax

    from sandwich_jax import forms
    from scripts.gpu_check import programs

    failed = 0
    with forms.using(forms.TPU):
        for name in chosen:
            start = time.monotonic()
            try:
                fn, shapes = programs.PROGRAMS[name].build(jax.devices("cpu")[0])
                size = target.lower_for_tpu(fn, shapes)
            # Whatever is wrong with one program, the others are still to be looked at.
            except Exception:
                failed = 1
                print(f"{name}: cannot be lowered for a TPU\n{_last_lines()}", flush=True)
            else:
                print(f"{name:<36} lowered for a TPU: {size / 2**20:.1f} MiB in"
                      f" {time.monotonic() - start:.0f} s", flush=True)  # fmt: skip
    return failed


def _check(chosen: list[str], given: argparse.Namespace, folder: pathlib.Path) -> int:
    from scripts.gpu_check import figures

    try:
        device = target.device()
    except RuntimeError as error:
        print(f"gpu-check: this JAX cannot compile for CUDA ({error}); `make gpu-check` sets up one"
              " that can.", file=sys.stderr)  # fmt: skip
        return 2
    ceilings = figures.read(figures.CEILINGS)["programs"]
    failed = 0
    for name in chosen:
        for label, value in _figures_of(name, device, folder).items():
            if isinstance(value, str):
                failed = 1
                print(f"{label}: {value}", flush=True)
                continue
            print(figures.row(label, value), flush=True)
            if given.write or given.figures:
                _keep({label: value}, given)
                continue
            wrong = figures.above(value, ceilings[label]) if label in ceilings else ["no ceiling"]
            for text in wrong:
                failed = 1
                print(f"    ABOVE: {text}", flush=True)
    return failed


def _figures_of(name: str, device: Any, folder: pathlib.Path) -> dict[str, Any]:
    """Figures by label, or what went wrong."""
    from sandwich_jax import forms
    from scripts.gpu_check import figures, programs

    program, start = programs.PROGRAMS[name], time.monotonic()
    try:
        with forms.using(forms.GPU):
            fn, shapes = program.build(device)
            compiled = target.compile_for(device, fn, shapes, folder)
        print(f"{name}: compiled in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        labels = programs.labels(name)
        return {label: figures.of(compiled, unit) for label, unit in labels.items()}
    # Whatever is wrong with one program, the others are still to be looked at.
    except Exception:
        return {name: f"does not compile\n{_last_lines()}"}


def _last_lines() -> str:
    return "\n".join(traceback.format_exc().strip().splitlines()[-6:])


def _keep(found: dict[str, Any], given: argparse.Namespace) -> None:
    import jax

    from scripts.gpu_check import figures

    about = {"jax": jax.__version__, "device": "NVIDIA H100, compiled, not run"}
    figures.write(given.figures or figures.CEILINGS, about, found)
    if given.write:
        page = figures.Page(ROOT / "docs" / "accelerator.md")
        page.path.write_text(page.with_table(figures.kept_table()))


if __name__ == "__main__":
    sys.exit(main())
