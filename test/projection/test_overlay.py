# SPDX-License-Identifier: Apache-2.0
import numpy as np

from depth_anything_ros.projection.overlay import colourise, depth_range_m, overlay_prompt


def test_near_is_red_far_is_blue_unknown_is_black():
    near, far, unknown = colourise(np.array([[1.0, 10.0, np.nan]]), 1.0, 10.0)[0].astype(int)
    assert near[0] > near[2]
    assert far[2] > far[0]
    assert unknown.tolist() == [0, 0, 0]


def test_returns_are_drawn_where_they_are_and_near_ones_on_top():
    sparse = np.full((40, 60), np.nan, np.float32)
    sparse[20, 30], sparse[20, 31] = 9.0, 2.0
    image = np.full((40, 60, 3), 100, np.uint8)
    picture = overlay_prompt(image, sparse)
    assert (picture[:10] == 50).all()
    near, _ = colourise(np.float32([[2, 9]]), *depth_range_m(np.float32([2, 9])))[0]
    assert (picture[20, 31] == near).all()
    assert (image == 100).all(), 'the image itself is not touched'


def test_one_depth_or_none_still_has_a_range():
    assert depth_range_m(np.array([np.nan])) == (0.0, 1.0)
    low, high = depth_range_m(np.full(5, 3.0))
    assert high > low
    assert overlay_prompt(np.zeros((4, 4, 3), np.uint8), np.full((4, 4), np.nan)).max() == 0
