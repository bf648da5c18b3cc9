"""The compiler: trace a step, simplify it, write it out, and run it as native code."""

from chainrule.compiler.compile import Compiled, compile
from chainrule.compiler.predictor import Predictor

__all__ = ["Compiled", "Predictor", "compile"]
