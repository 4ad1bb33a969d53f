"""Two ways of telling XLA where one piece of work ends and the next begins.

XLA's CPU compiler fuses elementwise work into each of its consumers: with 146 outputs that share
their inputs, everything is computed 146 times. A conditional cannot be fused across, so `stage`
puts a piece behind one whose branch is always taken, and its outputs are computed once. Other
backends fuse several outputs together and get the piece as it is.

Under `vmap` a conditional would become a select of both branches; `batch_last` therefore tells vmap
to lay the new axis beside the batch and to call the function once.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np


def stage(fn, *args):
    """`fn(*args)`, computed as one piece on a CPU; arrays in, a pytree of arrays out."""
    out = jax.eval_shape(fn, *args)

    def behind_condition(*args):
        first = jax.tree.leaves(args)[0]
        # Always true, which the compiler does not see.
        taken = (first.reshape(-1)[0].astype(jnp.uint32) | np.uint32(1)) != 0
        return jax.lax.cond(
            taken,
            fn,
            lambda *_: jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), out),
            *args,
        )

    return jax.lax.platform_dependent(*args, cpu=behind_condition, default=fn)


def batch_last(fn):
    """Make `fn` map over further axes by merging them with the batch.

    Every array that goes in or comes out ends in the batch axis; `vmap(fn)` then costs what one
    larger batch costs. `fn` must not capture arrays, constant ones included.
    """
    return _merging(fn, -1)


def batch_first(fn):
    """The same for a function whose results begin with the batch axis (its arguments end in it)."""
    return _merging(fn, 0)


def _merging(fn, out_axis):
    mapped = jax.custom_batching.custom_vmap(fn)

    @mapped.def_vmap
    def _(size, in_batched, *args):
        def merge(x, batched):
            if batched:
                x = jnp.moveaxis(x, 0, -2)
            else:
                x = jnp.broadcast_to(x[..., None, :], (*x.shape[:-1], size, x.shape[-1]))
            return x.reshape(*x.shape[:-2], -1)

        def split(x):
            if out_axis == 0:
                return x.reshape(size, -1, *x.shape[1:])
            return jnp.moveaxis(x.reshape(*x.shape[:-1], size, -1), -2, 0)

        out = mapped(*jax.tree.map(merge, args, tuple(in_batched)))
        return jax.tree.map(split, out), jax.tree.map(lambda _: True, out)

    # Jitted, so that a call outside of jit does not trace and compile each time.
    return functools.wraps(fn)(jax.jit(mapped))
