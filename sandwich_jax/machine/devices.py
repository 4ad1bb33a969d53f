"""What must be settled before anything touches a device, which pgx does when it is imported."""

from __future__ import annotations

import os
from collections.abc import Sequence

import jax

from sandwich_jax import forms
from sandwich_jax.errors import SettingError
from sandwich_jax.machine import cluster, notices


def start(arguments: Sequence[str]) -> None:
    """Begins a command: 32 bits, the other processes of a cluster, and a device to compute on.

    Raises:
        SettingError: the cluster or the devices that are asked for are not there.
    """
    if jax.config.jax_enable_x64:  # pyright: ignore
        notices.tell("JAX_ENABLE_X64 has no effect here: everything is computed in 32 bits.")
        jax.config.update("jax_enable_x64", False)
    cluster.join_if_asked(arguments)
    check_devices()


def check() -> None:
    """For callers from Python, whose process and settings of JAX are their own.

    Raises:
        SettingError: JAX computes in 64 bits, or on devices that are not there.
    """
    if jax.config.jax_enable_x64:  # pyright: ignore
        raise SettingError(
            "jax_enable_x64 is on, but sandwich_jax computes in 32 bits: turn it off"
            " (JAX_ENABLE_X64=0) before the first use of sandwich_jax."
        )
    check_devices()


def check_devices() -> None:
    """Looks for devices, with what XLA has to know before it meets them.

    Raises:
        SettingError: JAX finds none of the devices that it is told to use.
    """
    forms.capture_loops()
    try:
        jax.devices()
    # JAX asserts that a platform it knows has a plugin.
    except (RuntimeError, AssertionError):
        wanted = os.environ.get("JAX_PLATFORMS") or jax.config.jax_platforms  # pyright: ignore
        raise SettingError(
            f"JAX finds no device for JAX_PLATFORMS={wanted}: install JAX's build for it, or unset"
            " JAX_PLATFORMS to compute on what there is."
        ) from None
