# SPDX-License-Identifier: Apache-2.0
"""Room 0: cameras, transforms, frames and errors; numpy only."""
