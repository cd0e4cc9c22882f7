# SPDX-License-Identifier: Apache-2.0
"""--model, --engine and how it is run, the same for every command that estimates depth."""

from __future__ import annotations

import argparse
import dataclasses

from depth_anything_ros.cli.settings_argument import ESTIMATOR, assigned


def add_model_arguments(parser) -> None:
    """The options are those of depth_node's engine_options, by the same names."""
    from depth_anything_ros.engines.factory import ENGINES
    from depth_anything_ros.engines.options import EngineOptions

    parser.add_argument('--model', help='model card by name, or a path to one (default: the one in the package)')
    parser.add_argument('--engine', default='auto', help=f'{", ".join(ENGINES)} (default: auto, the best that works)')
    group = parser.add_argument_group('how the engine runs the model')
    for field in dataclasses.fields(EngineOptions):
        flag, description = f'--{field.name.replace("_", "-")}', field.metadata['description'].replace('%', '%%')
        if isinstance(field.default, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=field.default, help=description)
        else:
            choices = field.metadata['choices'] or None
            metavar = None if choices else field.name.rpartition('_')[2].upper()
            group.add_argument(flag, default=field.default, choices=choices, metavar=metavar, help=description)


def engine_options(args):
    """The EngineOptions that the arguments say. Raises ConfigError."""
    from depth_anything_ros.engines.options import EngineOptions

    return EngineOptions(**{field.name: getattr(args, field.name) for field in dataclasses.fields(EngineOptions)})


def make_estimator(args, settings: list[str] | None = None):
    """The estimator that the arguments ask for; settings: NAME=VALUE of its --set.

    Raises ConfigError, EngineError or CheckpointError.
    """
    from depth_anything_ros.engines.factory import DEFAULT_MODEL, create_engine
    from depth_anything_ros.pipeline.estimator import DepthEstimator, EstimatorConfig

    config = assigned(EstimatorConfig(), settings or [], ESTIMATOR)  # a wrong name is told before an engine is loaded
    return DepthEstimator(create_engine(args.model or DEFAULT_MODEL, args.engine, engine_options(args)), config)
