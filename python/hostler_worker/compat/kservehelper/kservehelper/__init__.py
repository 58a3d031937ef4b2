"""The names of the `kservehelper` package, for folders whose Python does not have it installed.

A model.py written for kservehelper 1 or 2 finds here what it imports. Nothing is served, checked or uploaded by this
package: Hostler reads the signature with its Inputs, and calls the class."""

from .model import KServeModel

__all__ = ["KServeModel"]
