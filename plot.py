#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Figures, verdict and report.html from the files of one or several runs. Needs no build; see results/README.md."""
import sys

PACKAGES = "python3-matplotlib python3-numpy"

try:
    import matplotlib

    matplotlib.use("Agg")  # no display is needed
    import numpy  # noqa: F401
except ImportError as error:
    print(f"plot.py: {sys.executable} has no {error.name}: apt install {PACKAGES}, and run this by /usr/bin/python3",
          file=sys.stderr)
    sys.exit(3)

from plotting.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
