# SPDX-License-Identifier: Apache-2.0
"""Points in the cubes of a grid: one of each cube, and which cubes hang together."""

from __future__ import annotations

import itertools

import numpy as np

from depth_anything_ros.core.errors import InvalidInput, MissingExtra

# half of the 26 neighbours: the other half are their opposites
_HALF = [step for step in itertools.product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]
_SIDE_BITS = 21


def cubes(points_m: np.ndarray, edge_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finite (N, 3) -> keys (C,) int64 of the cubes that hold points, the first point of each (C,), and each point's
    cube (N,). Raises InvalidInput where the cloud is too wide for so small an edge."""
    if not len(points_m):
        empty = np.zeros(0, np.int64)
        return empty, empty, empty
    low = points_m.min(axis=0)
    # a cube of room all round, so that neighbours have keys of their own
    place = ((points_m - low) * (1.0 / edge_m)).astype(np.int64) + 1
    if place.max() >= 2**_SIDE_BITS - 1:
        raise InvalidInput(
            f'cloud {np.ptp(points_m, axis=0).max():.3g} m wide: expected at most {2**_SIDE_BITS} cubes of {edge_m} m'
            ' along a side; crop it, or raise the resolution'
        )
    key = _key(place.T)
    return np.unique(key, return_index=True, return_inverse=True)


def thinned(points_m: np.ndarray, edge_m: float) -> np.ndarray:
    """Numbers of one point in each cube."""
    return cubes(points_m, edge_m)[1]


def connected(points_m: np.ndarray, edge_m: float) -> np.ndarray:
    """Finite (N, 3) -> (N,) labels from 0: points whose cubes touch, at a corner at least, share one.

    Points closer than edge_m are always together, points farther apart than 2 sqrt(3) edge_m never directly.
    """
    try:
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components
    except ImportError as error:
        raise MissingExtra('scipy', 'grasping', 'clustering of objects') from error
    keys, _, cube = cubes(points_m, edge_m)
    if not len(keys):
        return cube
    ends = [], []
    for step in _HALF:
        neighbour = keys + _key(step)
        at = np.searchsorted(keys, neighbour)
        at[at == len(keys)] = 0
        here = np.flatnonzero(keys[at] == neighbour)
        ends[0].append(here)
        ends[1].append(at[here])
    rows, columns = (np.concatenate(side) for side in ends)
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(len(keys), len(keys)))
    return connected_components(graph, directed=False)[1][cube]


def _key(place) -> np.ndarray:
    return (place[0] << (2 * _SIDE_BITS)) + (place[1] << _SIDE_BITS) + place[2]
