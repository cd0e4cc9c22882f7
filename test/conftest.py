# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all rooms."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='session')
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope='session')
def shared_data():
    """shared_data('kitti_raw_seq') -> its folder beside the checkout, or the test skips."""

    def folder(name: str) -> Path:
        path = REPOSITORY.parent / 'shared' / 'data' / name
        if not path.is_dir():
            pytest.skip(f'the real recording {name} is not beside this checkout (../shared/data)')
        return path

    return folder
