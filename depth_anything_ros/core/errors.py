# SPDX-License-Identifier: Apache-2.0
"""Typed errors. Each message is one line: what was expected, what came, what to do."""


class DepthError(Exception):
    """Base of every error this package raises on purpose; the CLI prints it without a traceback."""


class InvalidInput(DepthError, ValueError):
    """An image, cloud, camera or prompt that can't be used as it came."""


class FrameMismatch(DepthError, ValueError):
    """Two transforms or a transform and points whose frames don't meet."""


class CalibrationError(DepthError, ValueError):
    """A calibration file or camera_info that is incomplete or contradicts itself."""


class ConfigError(DepthError, ValueError):
    """A setting with an unknown name, a wrong type or a value out of its range."""


class CheckpointError(DepthError):
    """Weights or a model card that are missing, corrupt or made for another network."""


class EngineError(DepthError):
    """An engine that can't be built, loaded or run here."""


class RecordingError(DepthError):
    """A bag or data set that is missing, truncated or lacks what was asked of it."""


class MissingExtra(DepthError, ImportError):
    """An optional package is needed; names the extra that installs it."""

    def __init__(self, package: str, extra: str, purpose: str):
        super().__init__(
            f"{purpose} needs the package '{package}': install it with pip install 'depth_anything_ros[{extra}]'"
        )
