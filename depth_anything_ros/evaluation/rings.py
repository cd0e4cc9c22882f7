# SPDX-License-Identifier: Apache-2.0
"""Which laser of a spinning LiDAR measured each return, for clouds that do not say.

Two ways, both checked before they are believed:
- firing order: files such as KITTI's list one laser's whole revolution (or sector) after the other, so the azimuth
  runs through once per ring and starts again where the next ring begins;
- elevation: an unordered cloud of a sensor whose lasers keep their angle falls into clusters of elevation.
"""

from __future__ import annotations

import itertools

import numpy as np

from depth_anything_ros.core.errors import InvalidInput

FEWEST, MOST = 4, 256  # rings of the sensors on the market
BACK_RAD = 0.1  # a step backwards larger than this is the beam's way back to the beginning of a sector
JITTER_RAD = 0.01  # calibrated azimuths of one laser may go back by this much
MIN_CLUSTER_GAP_DEG = 0.05


def estimate_rings(xyz_m: np.ndarray) -> np.ndarray:
    """(N, 3) points in the sensor's frame, in the order of the file -> ring (N,) uint16, 0 = the first or lowest.

    Raises InvalidInput where neither way gives a believable answer.
    """
    for way in (rings_by_order, rings_by_elevation):
        ring = way(xyz_m)
        if ring is not None:
            return ring
    raise InvalidInput(
        f'no scan rings found in a cloud of {len(xyz_m)} returns: they are neither listed ring by ring nor at'
        ' distinct elevations; record the cloud with its ring field'
    )


def rings_by_order(xyz_m: np.ndarray) -> np.ndarray | None:
    """Rings from where the azimuth starts again; None unless every ring then keeps its direction and elevation."""
    if len(xyz_m) < FEWEST * 16:
        return None
    azimuth = np.arctan2(xyz_m[:, 1], xyz_m[:, 0]) % (2 * np.pi)
    step = np.diff(azimuth)
    turn = (step + np.pi) % (2 * np.pi) - np.pi  # the short way round
    wraps = np.abs(step) > np.pi
    direction = np.sign(np.median(turn))
    if wraps.sum() >= FEWEST - 1 and abs(np.sign(step[wraps]).mean()) > 0.9:
        starts = wraps  # full revolutions
    else:
        starts = turn * direction < -BACK_RAD  # a sector: the beam returns to its beginning
    count = int(starts.sum()) + 1
    if not FEWEST <= count <= MOST or (turn[~starts] * direction > -JITTER_RAD).mean() < 0.98:
        return None
    ring = np.concatenate([[0], np.cumsum(starts)]).astype(np.uint16)
    falling = (np.diff(_median_by(ring, elevation_deg(xyz_m), count)) < 0).mean()
    return ring if max(falling, 1 - falling) > 0.8 else None


def rings_by_elevation(xyz_m: np.ndarray) -> np.ndarray | None:
    """Rings from gaps in the sorted elevations; None unless the clusters are few, narrow and well apart."""
    if len(xyz_m) < FEWEST * 16:
        return None
    elevation = elevation_deg(xyz_m)
    order = np.argsort(elevation, kind='stable')
    sorted_deg = elevation[order]
    gaps = np.diff(sorted_deg)
    starts = gaps > MIN_CLUSTER_GAP_DEG
    count = int(starts.sum()) + 1
    if not FEWEST <= count <= MOST:
        return None
    cluster = np.concatenate([[0], np.cumsum(starts)])
    sizes = np.bincount(cluster, minlength=count)
    spans = np.diff(np.append(np.flatnonzero(np.append(True, starts)), len(sorted_deg)))
    first = np.concatenate([[0], np.cumsum(spans)[:-1]])
    width = sorted_deg[first + spans - 1] - sorted_deg[first]
    if sizes.min() < 8 or np.median(width) > np.median(gaps[starts]):
        return None
    ring = np.empty(len(xyz_m), np.uint16)
    ring[order] = cluster
    return ring


def elevation_deg(xyz_m: np.ndarray) -> np.ndarray:
    """(N, 3) -> (N,) angle above the sensor's x-y plane in degrees."""
    return np.degrees(np.arctan2(xyz_m[:, 2], np.hypot(xyz_m[:, 0], xyz_m[:, 1])))


def _median_by(label: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    bounds = np.searchsorted(label, np.arange(count + 1))  # labels ascend
    return np.array([np.median(values[a:b]) for a, b in itertools.pairwise(bounds)])
