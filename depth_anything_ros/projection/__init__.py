# SPDX-License-Identifier: Apache-2.0
"""Room 1: ranging returns to sparse prompts, depth to clouds; numpy only."""
