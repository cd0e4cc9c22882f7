# SPDX-License-Identifier: Apache-2.0
"""The `workspace_node` executable: one clear line where ROS 2 is missing."""

from __future__ import annotations

import sys

from depth_anything_ros.cli.main import failed


def main() -> int:
    try:
        from depth_anything_ros.ros.workspace_node import main as run
    except ImportError as error:
        return failed(error, debug=False)
    return run()


if __name__ == '__main__':
    sys.exit(main())
