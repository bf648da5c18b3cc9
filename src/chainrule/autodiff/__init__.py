"""Derivatives: backward on the tape, functions that return gradients, checks against finite differences."""

from chainrule.autodiff.backward import backward, grad_of
from chainrule.autodiff.check import check_grads
from chainrule.autodiff.functional import grad, hvp, jacobian, value_and_grad
from chainrule.autodiff.watch import watch_nan

__all__ = ["backward", "check_grads", "grad", "grad_of", "hvp", "jacobian", "value_and_grad", "watch_nan"]
