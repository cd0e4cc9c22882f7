# SPDX-License-Identifier: Apache-2.0
"""Depth maps with poses become one surface: TSDF integration, bounded memory, meshes, files, scores."""
