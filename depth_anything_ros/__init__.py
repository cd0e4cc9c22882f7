# SPDX-License-Identifier: Apache-2.0
"""Dense metric depth in ROS 2 from any camera and any sparse ranger."""

__version__ = '0.1.0'
