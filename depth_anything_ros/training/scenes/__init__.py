# SPDX-License-Identifier: Apache-2.0
"""Photoreal synthetic scenes with exact ground truth: a furnished room, a moving robot, a simulated LiDAR."""
