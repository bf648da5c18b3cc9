"""Pictures that show the work: graphs with their numbers, backpropagation step by step, equations, figures.

What needs matplotlib is loaded when first used.
"""

from chainrule.show.backward import Backpropagation, backward
from chainrule.show.graph import GraphDrawing, graph

__all__ = ["Backpropagation", "GraphDrawing", "backward", "graph"]
