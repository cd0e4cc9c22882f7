# SPDX-License-Identifier: Apache-2.0
"""Grasp success in simulation: the same scenes, planner and gripper for every way to get depth."""
