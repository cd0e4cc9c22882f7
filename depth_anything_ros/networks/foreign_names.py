# SPDX-License-Identifier: Apache-2.0
"""What a missing tensor is called in the file that lacks it, so that an error speaks of the file and not of us.

Only the way there is known, from a file's names to a network's. A missing name is found from a sibling that is
there: its name with one number changed, if that leads to the missing one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from torch import Tensor

from depth_anything_ros.core.errors import CheckpointError

NUMBER = re.compile(r'\d+')
NUMBERS = range(64)  # blocks, layers, stages

Rename = Callable[[dict[str, Tensor]], dict[str, Tensor]]


def foreign_names(raw: dict[str, Tensor], rename: Rename) -> Callable[[str], str]:
    """A function from names of the network to those of the file `raw`; what no sibling tells stays as it is."""
    always = _needed(raw, rename)
    siblings: dict[str, list[str]] = {}
    known: dict[str, str] = {}
    for foreign, tensor in raw.items():
        for own in _renamed(foreign, tensor, always, rename):
            known[own] = foreign
            siblings.setdefault(NUMBER.sub('#', own), []).append(foreign)

    def foreign_name(own: str) -> str:
        if own in known:  # there, only of another shape
            return known[own]
        for sibling in siblings.get(NUMBER.sub('#', own), []):
            for number in NUMBER.finditer(sibling):
                for n in NUMBERS:
                    candidate = f'{sibling[: number.start()]}{n}{sibling[number.end() :]}'
                    if own in _renamed(candidate, raw[sibling], always, rename):
                        return candidate
        return own

    return foreign_name


def _needed(raw: dict[str, Tensor], rename: Rename) -> dict[str, Tensor]:
    """Constants without which nothing is renamed."""
    if _works({}, rename):
        return {}
    return {name: raw[name] for name in raw if not _works({key: raw[key] for key in raw if key != name}, rename)}


def _works(tensors: dict[str, Tensor], rename: Rename) -> bool:
    try:
        rename(tensors)
    except CheckpointError:
        return False
    return True


def _renamed(name: str, tensor: Tensor, always: dict[str, Tensor], rename: Rename) -> list[str]:
    try:
        return list(rename({**always, name: tensor}))
    except CheckpointError:  # some are only understood together with others
        return []
