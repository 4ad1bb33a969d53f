"""A 3 x 3 convolution in the form that is fast where it runs (see `forms.convolution`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sandwich_jax import forms


def taps(x: Float[Array, "B H W C"], kernel: Float[Array, "3 C 3 O"]) -> Float[Array, "B H W O"]:
    """3 x 3 convolution, zeros beyond the edge, as shifted slices and one matrix product.

    Three rank shifts are laid side by side, one product makes the three file taps of every
    square, and these are added after a shift: a third of the memory moved by all nine slices.
    """
    b, h, w, cin = x.shape
    cout = kernel.shape[-1]
    padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)))
    files = jnp.concatenate([padded[:, i : i + h] for i in range(3)], axis=-1)
    taps = files.reshape(b * h * w, 3 * cin) @ kernel.reshape(3 * cin, 3 * cout)
    taps = jnp.pad(taps.reshape(b, h, w, 3, cout), ((0, 0), (0, 0), (1, 1), (0, 0), (0, 0)))
    return sum((taps[:, :, i : i + w, i] for i in range(1, 3)), taps[:, :, :w, 0])


def native(x: Float[Array, "B H W C"], kernel: Float[Array, "3 C 3 O"]) -> Float[Array, "B H W O"]:
    """`taps` by the compiler's own convolution."""
    layout = ("NHWC", "HWIO", "NHWC")
    hwio = kernel.transpose(0, 2, 1, 3)
    return jax.lax.conv_general_dilated(x, hwio, (1, 1), "SAME", dimension_numbers=layout)


FORMS = {"taps": taps, "native": native}


def _in_form(compute: Callable[..., Any], gradient: bool) -> Callable[..., Any]:
    """`compute(convolution, x, kernel, ...)` with the convolution in the form that is fast here.

    On an accelerator, mapped over members with kernels of their own, it takes the form for that;
    mapped over positions alone, they are one larger batch.
    """

    def plain(mapped: bool, x: Array, kernel: Array, *more: Array) -> Any:
        form = forms.convolution(forms.here(), x.shape[0], mapped, gradient)
        return compute(FORMS[form], x, kernel, *more)

    @jax.custom_batching.custom_vmap
    def mappable(x: Array, kernel: Array, *more: Array) -> Any:
        return plain(False, x, kernel, *more)

    @mappable.def_vmap
    def _(size: int, batched: list[bool], *args: Array) -> Any:
        if size == 1:
            alone = [x[0] if own else x for x, own in zip(args, batched, strict=True)]
            out = jax.tree.map(lambda x: x[None], mappable(*alone))
            return out, jax.tree.map(lambda _: True, out)
        if batched == [True, False]:  # one network on the positions of all members
            x, kernel = args
            out = mappable(x.reshape(-1, *x.shape[2:]), kernel)
            return out.reshape(size, -1, *out.shape[1:]), True
        axes = tuple(0 if own else None for own in batched)
        out = jax.vmap(functools.partial(plain, True), axes)(*args)
        return out, jax.tree.map(lambda _: True, out)

    def choose(*args: Array) -> Any:
        cpu = forms.here().platform == "cpu"
        return plain(False, *args) if cpu else mappable(*args)

    return choose


_forward = _in_form(lambda form, x, kernel: form(x, kernel), gradient=False)
_backward = _in_form(lambda form, x, kernel, g: jax.vjp(form, x, kernel)[1](g), gradient=True)


@jax.custom_vjp
def convolve(
    x: Float[Array, "B H W C"], kernel: Float[Array, "3 C 3 O"]
) -> Float[Array, "B H W O"]:
    """3 x 3 convolution, zeros beyond the edge; both passes in the form that is fast here."""
    return _forward(x, kernel)


convolve.defvjp(
    lambda x, kernel: (_forward(x, kernel), (x, kernel)),
    lambda kept, gradient: _backward(*kept, gradient),
)
