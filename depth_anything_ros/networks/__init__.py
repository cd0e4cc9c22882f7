# SPDX-License-Identifier: Apache-2.0
"""Room 1: the networks, their cards and strict weight loading; torch."""
