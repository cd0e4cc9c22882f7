# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from wall_scene import CAMERA, wall

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.mapping.returns import with_returns


def returns(**at):
    """returns(r60_c80=1.5) -> (depth, sigma) with a return at row 60, column 80."""
    depth_m, sigma_m = wall(np.nan), wall(np.nan)
    for name, value in at.items():
        row, column = (int(part[1:]) for part in name.split('_'))
        depth_m[row, column], sigma_m[row, column] = value, 0.01
    return depth_m, sigma_m


def test_a_return_holds_a_disk_of_its_size_in_metres():
    depth_m, sigma_m = with_returns(wall(), wall(0.3), *returns(r60_c40=1.0, r60_c120=2.0), CAMERA, 0.05)
    near, far = depth_m == 1.0, depth_m == 2.0
    assert np.ptp(np.nonzero(near)[1]) / 2 == pytest.approx(0.05 * CAMERA.fx / 1.0, abs=1)
    assert np.ptp(np.nonzero(far)[1]) / 2 == pytest.approx(0.05 * CAMERA.fx / 2.0, abs=1)
    assert (sigma_m[near] == np.float32(0.01)).all()
    assert (sigma_m[~near & ~far] == np.float32(0.3)).all() and (depth_m[~near & ~far] == wall()[0, 0]).all()


def test_a_pixel_between_two_returns_belongs_to_the_nearer_in_the_image():
    depth_m, _ = with_returns(wall(), None, *returns(r60_c80=1.0, r60_c84=1.1), CAMERA, 0.1)
    assert (depth_m[60, 81], depth_m[60, 83]) == (np.float32(1.0), np.float32(1.1))


def test_without_returns_the_depth_is_as_it_was_and_unknown_pixels_are_filled():
    depth_m, sigma_m = with_returns(wall(), wall(0.1), wall(np.nan), wall(np.nan), CAMERA)
    assert np.array_equal(depth_m, wall()) and np.array_equal(sigma_m, wall(0.1))
    depth_m, _ = with_returns(wall(np.nan), None, *returns(r60_c80=1.0), CAMERA)
    assert np.isfinite(depth_m[60, 80]) and np.isnan(depth_m[0, 0])


def test_sizes_that_disagree_are_refused():
    with pytest.raises(InvalidInput, match='returns'):
        with_returns(wall(), None, np.ones((4, 4), np.float32), np.ones((4, 4), np.float32), CAMERA)
