# SPDX-License-Identifier: Apache-2.0
"""What several views say of a panorama -> one range per pixel, without seams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.frames import SparsePrompt
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.projection.views import InverseDepth, Lookup, View

ROW_PX = 1024  # cv2.remap takes no image longer than 32767 px, so a list of pixels is folded
THINNED_BY = 17  # no divisor of usual widths, so that the chosen pixels are spread over rows and columns
COMPARED_PX = 10  # of these two views must share to be compared
SURE_RETURNS = 50.0  # with this many a view's own scale counts as much as that of one view beside it
FREE = 1e-3  # how much a view without returns clings to its own scale: only to make the sum of factors definite
LEAST_SHARE = 1e-4  # of the weight at a view's border: it counts where nothing else is known


@dataclass(frozen=True, eq=False)
class Placement:
    """The panorama's flat pixels (n,) that a view sees, where it sees them, range / z there, and their weight."""

    pixel: np.ndarray
    lookup: Lookup
    stretch: np.ndarray
    weight: np.ndarray

    def folded(self, values: np.ndarray) -> np.ndarray:
        """What `lookup` gives -> (n,)."""
        return values.ravel()[: len(self.pixel)]


@dataclass(frozen=True, eq=False)
class Opinion:
    """What one view says at the panorama's flat `pixel`s (n,), and how many returns it was given."""

    pixel: np.ndarray
    log_range: np.ndarray
    relative_sigma: np.ndarray
    weight: np.ndarray
    returns: int


def fused(seen: Sequence[tuple[View, SparsePrompt, Prediction]], panorama: CameraModel) -> Prediction:
    """Metric z-depth of views -> radial Prediction of the panorama, NaN where no view knows.

    Views are blended in log range, after a factor each that makes them agree; sigma is theirs and their disagreement.
    """
    opinions = [_opinion(view, prompt, prediction) for view, prompt, prediction in seen]
    size = panorama.width * panorama.height
    total, mean, square, sigma = (np.zeros(size, np.float32) for _ in range(4))
    for opinion, offset in zip(opinions, log_factors(opinions, size, seen[0][2].prompted), strict=True):
        log_range = opinion.log_range + np.float32(offset)
        total[opinion.pixel] += opinion.weight
        mean[opinion.pixel] += opinion.weight * log_range
        square[opinion.pixel] += opinion.weight * log_range**2
        sigma[opinion.pixel] += opinion.weight * opinion.relative_sigma
    with np.errstate(divide='ignore', invalid='ignore'):
        for values in (mean, square, sigma):
            values /= total
    shape = (panorama.height, panorama.width)
    range_m = np.exp(mean).reshape(shape)
    own_sigma = seen[0][2].relative_sigma is None
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    share = np.hypot(sigma, spread).reshape(shape) if own_sigma else np.full(shape, np.nan, np.float32)
    return Prediction(
        range_m,
        range_m * share,
        prompted=seen[0][2].prompted,
        relative_sigma=seen[0][2].relative_sigma,
    )


def log_factors(opinions: Sequence[Opinion], size: int, prompted: bool) -> np.ndarray:
    """(views,) what to add to each view's log range so that they agree where they overlap, by least squares.

    A view clings to its own scale the more the more returns its network was given; prompted False: none was given any.
    """
    count = len(opinions)
    thinned = [_thinned(opinion, size) for opinion in opinions]
    matrix, target = np.zeros((count, count)), np.zeros(count)
    for index, opinion in enumerate(opinions):
        matrix[index, index] = FREE + (opinion.returns / SURE_RETURNS if prompted else 0.0)
    for first, second in combinations(range(count), 2):
        differs = thinned[first] - thinned[second]
        differs = differs[~np.isnan(differs)]
        if len(differs) < COMPARED_PX:
            continue
        step = np.median(differs)
        matrix[[first, second], [first, second]] += 1
        matrix[[first, second], [second, first]] -= 1
        target[first] -= step
        target[second] += step
    return np.linalg.solve(matrix, target)


def _thinned(opinion: Opinion, size: int) -> np.ndarray:
    """Log range at every 17th pixel of the panorama, NaN where the view does not see it: plenty for a median."""
    chosen = np.flatnonzero(opinion.pixel % THINNED_BY == 0)
    values = np.full(-(-size // THINNED_BY), np.nan, np.float32)
    values[opinion.pixel.take(chosen) // THINNED_BY] = opinion.log_range.take(chosen)
    return values


def _opinion(view: View, prompt: SparsePrompt, prediction: Prediction) -> Opinion:
    place = placement(view)
    with np.errstate(divide='ignore', invalid='ignore'):
        per_m = place.folded(place.lookup.surfaces(InverseDepth.of(np.reciprocal(prediction.depth_m))))
        log_range = np.log(place.stretch / per_m)
        sigma = place.folded(place.lookup.values(prediction.sigma_m / prediction.depth_m))
    known = np.flatnonzero(np.isfinite(log_range))
    sigma = np.nan_to_num(sigma.take(known), nan=0.0)
    return Opinion(place.pixel.take(known), log_range.take(known), sigma, place.weight.take(known), prompt.stats.count)


@lru_cache(maxsize=12)
def placement(view: View) -> Placement:
    """Kept by the view, which `cube_views` keeps by its geometry. Weight: 1 in the middle of the cube's face, 1/2 on
    its edge, nothing at the border of the view, which reaches as far beyond the edge as the blend begins before it.
    """
    camera = view.camera
    rays = view.panorama.rays().reshape(-1, 3) @ view.panorama_from_view.rotation.astype(np.float32)
    pixels, visible = camera.project(rays)
    pixel = np.flatnonzero(visible).astype(np.int32)  # half the memory: a panorama has millions
    x, y = (pixels[pixel, axis] for axis in (0, 1))
    ray = rays[pixel]
    off_axis = np.maximum(np.abs(ray[:, 0]), np.abs(ray[:, 1])) / ray[:, 2]
    border = camera.width / 2 / camera.fx
    share = np.clip((border - off_axis) / (border - 1 / border), LEAST_SHARE, 1)
    weight = share * share * (3 - 2 * share)
    folded = (
        np.concatenate([along, np.zeros(-len(along) % ROW_PX, along.dtype)]).reshape(-1, ROW_PX) for along in (x, y)
    )
    return Placement(pixel, Lookup(*folded), (1 / ray[:, 2]).astype(np.float32), weight.astype(np.float32))
