# SPDX-License-Identifier: Apache-2.0
"""Finds the files that come with the package (model cards and weights, parameters, launch files, recordings) and the
folder of those that are fetched or made later."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from depth_anything_ros.core.errors import DepthError

PACKAGE = 'depth_anything_ros'
CACHE_VARIABLE = 'DEPTH_ANYTHING_ROS_CACHE'


class MissingResource(DepthError, FileNotFoundError):
    """A file or folder that should have come with the package."""


def resource(*parts: str) -> Path:
    """resource('models', 'card.yaml') -> its path, in a checkout, a colcon workspace or an environment filled by pip.

    The first part names a folder of the repository: models, config, launch, rviz or recordings.
    Raises MissingResource with the places that were searched.
    """
    roots = resource_roots(Path(__file__))
    for root in roots:
        path = root.joinpath(*parts)
        if path.exists():
            return path
    searched = ', '.join(str(root) for root in roots) or f'no share/{PACKAGE} beside {__file__}'
    raise MissingResource(
        f'{"/".join(parts)} is not among the files of {PACKAGE} (searched: {searched}); install the package again'
    )


def cache_folder(*parts: str) -> Path:
    """Where fetched weights and built engines go: $DEPTH_ANYTHING_ROS_CACHE, or depth_anything_ros in the user's cache
    (XDG base directories). Not made here."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser().joinpath(*parts)
    xdg = Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache').expanduser()
    return xdg.joinpath(PACKAGE, *parts)


def resource_roots(module: Path) -> list[Path]:
    """Folders that may hold resources for a package whose `module` is this file, the likeliest first.

    A checkout, editable or linked by `colcon build --symlink-install`, is known by its package.xml. Everywhere else
    share/ stands beside the lib/ (or, with `pip install --target`, beside the package) that the module was put into.
    """
    checkout = next((p.parent for p in module.resolve().parents if p.name == PACKAGE and _is_checkout(p.parent)), None)
    if checkout is not None:
        return [checkout]
    candidates = [parent / 'share' / PACKAGE for parent in (*module.absolute().parents, Path(sys.prefix))]
    return [path for path in dict.fromkeys(candidates) if path.is_dir()]


def _is_checkout(folder: Path) -> bool:
    return (folder / 'package.xml').is_file() and (folder / 'setup.py').is_file()
