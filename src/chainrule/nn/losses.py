"""Losses as modules: the functions of ``nn.functional`` with their settings kept.

``reduction`` is "mean" (the default), "sum", or "none" for a loss an element. Prediction and target have one shape.
"""

from __future__ import annotations

from typing import Any

from chainrule.core.errors import ConfigError
from chainrule.core.modes import get_default_dtype
from chainrule.nn import loss_functions as functions
from chainrule.nn.module import Module
from chainrule.tensor import Tensor

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "NLLLoss",
    "SmoothL1Loss",
]  # fmt: skip


class _Loss(Module):
    """A loss: it keeps ``reduction``, and weights as buffers, so that they are cast and saved with the rest."""

    def __init__(self, reduction: str) -> None:
        super().__init__()
        self.reduction = functions.check_reduction(reduction)

    def _keep(self, name: str, weight: Any) -> None:
        if weight is not None and not isinstance(weight, Tensor):
            weight = Tensor(weight, get_default_dtype())
        self.register_buffer(name, weight)

    def extra_repr(self) -> str:
        return "" if self.reduction == "mean" else f"reduction={self.reduction!r}"


class MSELoss(_Loss):
    """Mean squared error: ``(x - t)^2``. Gradient: ``2 (x - t) / n``.

    Input and target (...) of one shape; output a scalar, or that shape for ``reduction="none"``.

    >>> MSELoss()(Tensor([1.0, 2.0]), Tensor([1.0, 4.0]))
    tensor(2.)

    Raises:
        ShapeError: two shapes.
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Any, target: Any) -> Tensor:
        """``(x - t)^2``."""
        return functions.mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """Mean absolute error: ``|x - t|``. Gradient: ``sign(x - t) / n``.

    Input and target (...) of one shape; output a scalar, or that shape for ``reduction="none"``.

    >>> L1Loss()(Tensor([1.0, 2.0]), Tensor([1.0, 4.0]))
    tensor(1.)

    Raises:
        ShapeError: two shapes.
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Any, target: Any) -> Tensor:
        """``|x - t|``."""
        return functions.l1_loss(input, target, self.reduction)


class HuberLoss(_Loss):
    """Squared near, absolute far: ``d^2 / 2`` where ``|d| = |x - t| <= delta``, else ``delta (|d| - delta / 2)``.

    So that single wild targets pull less. Input and target (...) of one shape; output a scalar, or that shape.

    >>> HuberLoss()(Tensor([1.0, 2.0]), Tensor([1.5, 4.0]))
    tensor(0.8125)

    Raises:
        ShapeError: two shapes.
        ConfigError: delta is not positive.

    Source: P. Huber, "Robust Estimation of a Location Parameter", 1964.
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        if not delta > 0:
            raise ConfigError("nn.HuberLoss", f"delta={delta}", "a positive number", "it is where squares become lines")
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Tensor:
        """``d^2 / 2`` or ``delta (|d| - delta / 2)``."""
        return functions.huber_loss(input, target, self.reduction, self.delta)


class SmoothL1Loss(_Loss):
    """``HuberLoss`` with delta = beta, divided by beta: the slope far out is 1. ``beta=0`` is ``L1Loss``.

    >>> SmoothL1Loss(beta=0.5)(Tensor([1.0, 2.0]), Tensor([1.5, 4.0]))
    tensor(1.)
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Tensor:
        """``d^2 / (2 beta)`` or ``|d| - beta / 2``."""
        return functions.smooth_l1_loss(input, target, self.reduction, self.beta)


class BCELoss(_Loss):
    """Binary cross entropy of probabilities: ``-(t log p + (1 - t) log(1 - p))``, logarithms at least -100.

    Input probabilities and target (...) of one shape; ``weight`` broadcasts against them and multiplies each loss.
    Output a scalar, or that shape. ``BCEWithLogitsLoss`` on raw scores is safer: it cannot saturate.

    >>> BCELoss()(Tensor([0.5, 0.9]), Tensor([1.0, 1.0]))
    tensor(0.3993)

    Raises:
        ShapeError: two shapes.
        DataError: an input outside [0, 1].
    """

    weight: Tensor | None

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._keep("weight", weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        """``-(t log p + (1 - t) log(1 - p))``."""
        return functions.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross entropy of raw scores: ``pos_weight t log(1 + e^-x) + (1 - t) log(1 + e^x)``.

    Gradient (pos_weight 1): ``sigmoid(x) - t``. ``pos_weight`` above 1 makes missed positives dearer, for rare ones.

    Input scores and target (...) of one shape; both weights broadcast against them. Output a scalar, or that shape.

    >>> BCEWithLogitsLoss()(Tensor([0.0, 2.0]), Tensor([1.0, 1.0]))
    tensor(0.41)

    Raises:
        ShapeError: two shapes.
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self._keep("weight", weight)
        self._keep("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        """``pos_weight t log(1 + e^-x) + (1 - t) log(1 + e^x)``."""
        return functions.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class NLLLoss(_Loss):
    """Negative log likelihood ``-w[t] log p[t]`` of log-probabilities, such as ``LogSoftmax`` gives.

    Input (N, C), (C,) or (N, C, d1, ...); target whole numbers from 0 to C - 1 in that shape without C; ``weight``
    (C,). Output a scalar, or the target's shape. The mean is weighted; labels equal to ``ignore_index`` do not
    count.

    >>> from chainrule import ops
    >>> NLLLoss()(ops.log(Tensor([[0.7, 0.3], [0.2, 0.8]])), Tensor([0, 1]))
    tensor(0.2899)

    Raises:
        ShapeError, DTypeError, DataError: a target of another shape, not whole numbers, or out of range.
    """

    weight: Tensor | None

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._keep("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Tensor:
        """``-w[t] log p[t]``."""
        return functions.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class CrossEntropyLoss(_Loss):
    """Cross entropy of raw scores x: ``-w[t] log p[t]``, soft ``-sum_c w[c] t[c] log p[c]``, with p = softmax(x).

    The softmax is inside: the model's last layer gives raw scores. Gradient (without weights): ``(softmax(x) - t) /
    N``. ``label_smoothing`` s mixes the target with equal chances: ``(1 - s) t + s / C``.

    Input (N, C), (C,) or (N, C, d1, ...). Target: whole numbers from 0 to C - 1 in that shape without C, or
    probabilities in that shape. ``weight`` (C,). Output a scalar, or the shape without C. The mean of hard labels
    is weighted: the sum of the losses by the sum of ``w[t]``. Labels equal to ``ignore_index`` do not count.

    >>> loss = CrossEntropyLoss()
    >>> loss(Tensor([[3.2, 5.1, -1.7]]), Tensor([0])), loss(Tensor([[3.2, 5.1, -1.7]]), Tensor([[1.0, 0.0, 0.0]]))
    (tensor(2.0404), tensor(2.0404))

    Raises:
        ShapeError, DTypeError, DataError: a target of another shape, labels not whole numbers, or out of range.
    """

    weight: Tensor | None

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:
        super().__init__(reduction)
        self._keep("weight", weight)
        if not 0 <= label_smoothing <= 1:
            raise ConfigError(
                "nn.CrossEntropyLoss", f"label_smoothing={label_smoothing}", "a number from 0 to 1", "0.1 is usual"
            )
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Any, target: Any) -> Tensor:
        """``-w[t] log softmax(x)[t]``."""
        return functions.cross_entropy(
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence ``t (log t - x)`` for log-probabilities x; with ``log_target``, ``e^t (t - x)``.

    ``reduction="batchmean"`` divides the sum by the number of rows, which is the divergence; ``"mean"`` divides by
    the number of elements, as in PyTorch. Input and target (...) of one shape.

    >>> from chainrule import ops
    >>> KLDivLoss("batchmean")(ops.log(Tensor([[0.9, 0.1]])), Tensor([[0.5, 0.5]]))
    tensor(0.5108)

    Raises:
        ShapeError: two shapes.

    Source: S. Kullback and R. Leibler, "On Information and Sufficiency", 1951.
    """

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__("none")
        self.reduction = functions.check_reduction(reduction, ("mean", "sum", "none", "batchmean"))
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Tensor:
        """``t (log t - x)``."""
        return functions.kl_div(input, target, self.reduction, self.log_target)
