# SPDX-License-Identifier: MIT
"""Figures, verdict and report from the files of a run; results/README.md documents those."""
