# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the engines."""

import pytest


@pytest.fixture(scope='session')
def tiny_model(tmp_path_factory):
    """The path of the card of a tiny model with random weights."""
    for package in ('torch', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package)
    from tiny_model import build_tiny_model

    return build_tiny_model(tmp_path_factory.getbasetemp() / 'tiny_model')
