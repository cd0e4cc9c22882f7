# SPDX-License-Identifier: Apache-2.0
"""Errors by distance to an edge add up to AbsRel and lie where they were made."""

import numpy as np
import pytest

pytest.importorskip('torch')

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.engines.base import Engine, Prediction
from depth_anything_ros.training.edge_errors import (
    DISTANCES_PX,
    NEAREST,
    OURS,
    PIXELS,
    distance_to_edge_px,
    errors_by_distance,
    markdown,
    study,
)


def step() -> np.ndarray:
    """An edge between columns 49 and 50."""
    depth_m = np.full((40, 100), 2.0, np.float32)
    depth_m[:, 50:] = 3.0
    return depth_m


def test_distance_is_from_both_sides_of_a_jump_and_infinite_on_a_plane():
    distance = distance_to_edge_px(step())
    assert (distance[:, 49:51] == 0).all()
    np.testing.assert_allclose(distance[20, [39, 60]], 10)
    slope = np.linspace(2, 4, 100, dtype=np.float32)[None].repeat(40, axis=0)
    assert np.isinf(distance_to_edge_px(slope)).all()


def test_an_unknown_sky_beside_a_roof_is_an_edge():
    depth_m = step()
    depth_m[:, 50:] = np.nan
    assert distance_to_edge_px(depth_m)[20, 49] == 0


def test_parts_add_up_to_the_error_and_lie_where_it_was_made():
    true_m, depth_m = step(), step()
    depth_m[:, 48:50] = 3.0  # the edge is drawn two pixels off
    depth_m[:, 90:] = 3.3
    parts = errors_by_distance(depth_m, true_m)
    assert len(parts) == len(DISTANCES_PX) + 1
    np.testing.assert_allclose(parts.sum(), 0.02 * 0.5 + 0.1 * 0.1, rtol=1e-5)
    np.testing.assert_allclose(parts[[0, -1]], [0.01, 0.01], rtol=1e-5)
    true_m[:, :40] = np.nan
    np.testing.assert_allclose(errors_by_distance(true_m, true_m), 0)


class _Far(Engine):
    """Everything at 5 m."""

    def infer(self, image_rgb, prompt, camera):
        depth_m = np.full(image_rgb.shape[:2], 5.0, np.float32)
        return Prediction(depth_m, np.full_like(depth_m, np.nan))


def test_the_study_has_a_row_for_every_kind_beside_the_nearest_return(shards):
    table = study(shards, _Far(), ('rows', 'grid'), 3)
    assert list(table) == ['rows', 'grid']
    for row in table.values():
        assert row[PIXELS].sum() == pytest.approx(1)
        assert row[OURS].sum() > row[NEAREST].sum() > 0
    lines = markdown(table).splitlines()
    assert len(lines) == 2 + 2 * 3 and 'up to 1.5 px' in lines[0]
    with pytest.raises(InvalidInput, match='expected at least 9 frames, got 8'):
        study(shards, _Far(), ('rows',), 9)
