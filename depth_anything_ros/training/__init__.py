# SPDX-License-Identifier: Apache-2.0
"""Room 3: data, sensor simulation, losses and the training loop."""
