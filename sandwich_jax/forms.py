"""Which of several ways to compute the same thing suits this machine; static.

Every form gives the same moves, positions and results. They differ in what they cost: a processor
wants pieces that fit into its cache and work left out where it is not wanted; a GPU wants few
kernels, little memory traffic and no conditionals. docs/accelerator.md has the figures.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import pkgutil
from contextlib import AbstractContextManager
from typing import Literal

import jax

Convolution = Literal["taps", "native"]
"""`taps`: shifted slices and one matrix product. `native`: the compiler's own convolution."""


@dataclasses.dataclass(frozen=True)
class Forms:
    """The forms of one kind of machine."""

    platform: Literal["cpu", "gpu", "tpu"]
    chunk: int | None = None
    """Positions at a time in a forward pass or a gradient; None: all at once."""
    half_precision: bool = True
    """Networks compute in bfloat16."""
    spare_lanes: bool = False
    """Boards of a page of lanes get a few more."""
    skip: bool = False
    """Work that no lane wants is left out by a conditional, or lane by lane."""
    one_pass: bool = True
    """W looks at the lanes of both sides in one forward pass."""
    plies_a_check: int = 1
    """Plies between two looks at whether all games are over; each look is a wait for the host."""
    flat_updates: bool = True
    """The optimiser sees all parameters as one vector."""
    channels_at_once: int | None = None
    """What gradients made at once may hold: samples of all members updated side by side, times
    width times blocks of their network; None: no limit. An accelerator's memory sets it: 16,384
    samples of `base` keep some 8 GiB of activations."""


CPU = Forms(
    "cpu",
    # Activations of a tiny network then stay in the L2 cache, which doubles the rate over a batch
    # of 256 (2 cores with AVX-512).
    chunk=64,
    half_precision=False,
    spare_lanes=True,
    skip=True,
    one_pass=False,
    flat_updates=False,
)
GPU = Forms("gpu", plies_a_check=16, channels_at_once=16_384 * 64 * 6)
TPU = Forms("tpu", channels_at_once=16_384 * 64 * 6)

LARGE = 512
"""Positions above which one network's pass fills a GPU by itself.

On an H100, `native` took half of the time of `taps` at 2,048 and 8,192 positions. A straight line
through both has it ahead at 1,024 too, and near 600 the gradients of 16 members as fast in turn as
side by side; neither was measured there.
"""

_CHOSEN = jax.make_user_context(default_value=None)


def here() -> Forms:
    """The forms of the machine that JAX computes on by default, or those chosen by `using`."""
    chosen = _CHOSEN.value
    if chosen is not None:
        return chosen
    backend = jax.default_backend()
    return CPU if backend == "cpu" else TPU if backend == "tpu" else GPU


def using(forms: Forms) -> AbstractContextManager:
    """A context in which `here` gives these forms; what is jitted within is traced anew."""
    return _CHOSEN(forms)


def in_turn(forms: Forms, batch: int) -> bool:
    """Whether members make their updates of so many samples one after the other.

    A large update fills a GPU by itself; side by side, members would have `taps` in place of
    `native`, three times the memory traffic, and the activations of all at once.
    """
    return forms.platform == "gpu" and batch > LARGE


def convolution(forms: Forms, batch: int, mapped: bool, gradient: bool) -> Convolution:
    """The form of a 3 x 3 convolution.

    | machine | case | form | because |
    | --- | --- | --- | --- |
    | CPU | forward | native | half the time of taps |
    | CPU | gradient | taps | native gradients in a loop run at a tenth of the rate |
    | GPU | own kernels, mapped | taps | a batched product; native becomes grouped convolutions |
    | GPU | up to 512 positions | taps | all of a ply in one CUDA graph; cuDNN is not captured |
    | GPU | more | native | cuDNN moves a third of the memory, in one kernel with bias and ReLU |
    | TPU | mapped | taps | as on a GPU |
    | TPU | else | native | the compiler maps it to the matrix units by itself |

    Args:
        forms: of the machine.
        batch: positions.
        mapped: each member of a population has its own kernel.
        gradient: whether it is the gradient's.
    """
    if forms.platform == "cpu":
        return "taps" if gradient else "native"
    if mapped or (forms.platform == "gpu" and batch <= LARGE):
        return "taps"
    return "native"


_GRAPHS = "--xla_gpu_enable_command_buffer"


def capture_loops() -> None:
    """Has XLA put whole loops into CUDA graphs, where a CUDA build of JAX is installed.

    The device then goes from ply to ply by itself, without a word from the host. XLA reads its
    flags once, so call this before JAX's first computation. What a user set in XLA_FLAGS stays.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    plugins = importlib.util.find_spec("jax_plugins")
    found = pkgutil.iter_modules(plugins.submodule_search_locations) if plugins else ()
    if _GRAPHS not in flags and any(one.name.startswith("xla_cuda") for one in found):
        os.environ["XLA_FLAGS"] = f"{flags} {_GRAPHS}=+WHILE".strip()
