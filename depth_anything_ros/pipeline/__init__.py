# SPDX-License-Identifier: Apache-2.0
"""Room 3: one Observation becomes one DepthFrame."""
