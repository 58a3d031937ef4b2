"""Modules given to the author's code where the real package is not installed: one folder each, put last on sys.path.

Last, so that an installed package, or a module of the author's own, always comes first."""

import os
import sys


def provide(name):
    """Makes the modules of `compat/NAME` importable; does nothing more where they are already."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    if folder not in sys.path:
        sys.path.append(folder)
