"""The NumPy back end: the step written out as a person would write it, and run as it is written."""

from chainrule.backends.numpy.expressions import writes
from chainrule.backends.numpy.run import NumpyExecutable
from chainrule.backends.numpy.source import Listing, listing, source, source_lines

__all__ = ["Listing", "NumpyExecutable", "listing", "source", "source_lines", "writes"]
