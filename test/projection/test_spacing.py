# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from depth_anything_ros.projection.spacing import spacing_px


@pytest.mark.parametrize(('across', 'down'), [(2, 5), (5, 29), (3, 3), (1, 1), (17, 2)])
def test_the_gaps_of_a_lattice_are_found_along_both_axes(across, down):
    grid = np.zeros((480, 640), bool)
    grid[::down, ::across] = True
    found = spacing_px(np.flatnonzero(grid), 480, 640)
    assert found == pytest.approx((across, down), abs=0.5)


def test_slanting_rings_do_not_confuse_the_gap_between_them():
    column = np.arange(0, 1600, 6)
    rows = [np.rint(offset + 0.1 * column) for offset in range(0, 700, 30)]
    pixel = np.concatenate([row * 1600 + column for row in rows]).astype(int)
    along_row, along_column = spacing_px(pixel, 900, 1600)
    assert along_row == pytest.approx(6, abs=1) and along_column == pytest.approx(30, abs=3)


def test_the_order_of_returns_does_not_matter():
    rng = np.random.default_rng(0)
    pixel = rng.choice(480 * 640, 3000, replace=False)
    assert spacing_px(pixel, 480, 640) == spacing_px(np.sort(pixel), 480, 640)


def test_one_line_and_few_returns_give_finite_gaps():
    assert spacing_px(np.arange(0, 640, 4) + 640 * 200, 480, 640) == (4, 4)
    for count in (0, 1, 7):
        assert np.isfinite(spacing_px(np.arange(count) * 1000, 480, 640)).all()
