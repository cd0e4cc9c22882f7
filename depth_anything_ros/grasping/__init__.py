# SPDX-License-Identifier: Apache-2.0
"""Objects on a support plane and parallel-jaw grasps on them, from one view's cloud."""
