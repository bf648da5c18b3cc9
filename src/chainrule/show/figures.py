"""The figures of models, runs and results: ``model``, ``history``, ``weights``, ``activations``, ``confusion``."""

from chainrule.show.curves import history
from chainrule.show.heatmaps import weights
from chainrule.show.histograms import activations
from chainrule.show.matrix import confusion
from chainrule.show.network import model
from chainrule.show.style import Look, save_figure

__all__ = ["Look", "activations", "confusion", "history", "model", "save_figure", "weights"]
