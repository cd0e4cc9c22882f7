# SPDX-License-Identifier: Apache-2.0
"""--model and --engine, the same for every command that estimates depth."""

from __future__ import annotations


def add_model_arguments(parser) -> None:
    parser.add_argument('--model', help='model card by name, or a path to one (default: the one in the package)')
    parser.add_argument('--engine', default='auto', help='auto (default), torch, onnx or classical')


def make_estimator(args):
    """The estimator that the arguments ask for. Raises EngineError or CheckpointError."""
    from depth_anything_ros.engines.factory import DEFAULT_MODEL, create_engine
    from depth_anything_ros.pipeline.estimator import DepthEstimator

    return DepthEstimator(create_engine(args.model or DEFAULT_MODEL, args.engine))
