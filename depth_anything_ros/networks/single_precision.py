# SPDX-License-Identifier: Apache-2.0
"""Keeps geometry in single precision while the products around it are computed in half (autocast)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec('Arguments')
Result = TypeVar('Result')


def single_precision(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Run the function, whose first argument is a tensor, outside of autocast: sums of many returns, places in an
    image and metres need more than the eight bits of bfloat16.
    """

    @functools.wraps(function)
    def outside(tensor, *rest, **named):
        kind = tensor.device.type
        if kind == 'meta' or not torch.is_autocast_enabled(kind):
            return function(tensor, *rest, **named)
        with torch.autocast(kind, enabled=False):
            return function(tensor, *rest, **named)

    return outside
