# SPDX-License-Identifier: Apache-2.0
"""Room 4: metrics, cases, bag evaluation and the report."""
