# SPDX-License-Identifier: Apache-2.0
"""Room 5: the nodes, and the only importer of rclpy."""
