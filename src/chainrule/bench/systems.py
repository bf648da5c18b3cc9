"""The systems that are compared: what they are called, what they need, what they can do."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass

from chainrule.bench.workloads import Workload

__all__ = ["SYSTEMS", "Peer", "missing"]


@dataclass(frozen=True)
class Peer:
    """A system: the file in ``peers/`` that runs it, what that imports, and the workloads (by letter) that it takes part in."""

    name: str
    title: str
    file: str
    workloads: str
    libraries: tuple[str, ...] = ()
    #: What pip installs them as.
    install: str = ""
    #: A program that must be there.
    program: str = ""
    #: Whether pictures stay bytes in memory.
    keeps_bytes: bool = False
    #: Whether it trains towards anything; the bare matrix products do not.
    learns: bool = True
    #: Distributions whose files, with those that they need, are its installed size.
    distributions: tuple[str, ...] = ()

    def takes_part(self, workload: Workload) -> bool:
        """Whether it can do this workload."""
        return workload.letter in self.workloads


_CHAINRULE = ("chainrule", "chainrule.nn", "chainrule.optim")

SYSTEMS = {
    peer.name: peer
    for peer in (
        Peer(
            "chainrule", "chainrule, compiled loop", "chainrule_fit", "abcdefghij", _CHAINRULE,
            keeps_bytes=True, distributions=("chainrule",),
        ),
        Peer(
            "chainrule-fit", "chainrule, Trainer.fit", "chainrule_fit", "cdefghi", (*_CHAINRULE, "chainrule.train"),
            keeps_bytes=True,
        ),
        Peer("numpy", "NumPy by hand", "numpy_by_hand", "abcdefghij", ("numpy",), distributions=("numpy",)),
        Peer("torch", "PyTorch, eager", "torch_eager", "abcdefghij", ("torch",), "torch", distributions=("torch", "numpy")),
        Peer("torch-slide", "PyTorch, DataLoader", "torch_slide", "a", ("torch",), "torch"),
        Peer(
            "jax", "JAX, lax.scan", "jax_scan", "abcdefghij", ("jax", "jax.numpy"), "jax",
            distributions=("jax", "jaxlib"),
        ),
        Peer(
            "sklearn", "scikit-learn, fit", "sklearn_mlp", "bcefghi", ("sklearn.neural_network",), "scikit-learn",
            distributions=("scikit-learn",),
        ),
        Peer(
            "keras", "Keras on JAX, fit", "keras_jax", "abcdefghi", ("keras", "jax"), "keras jax",
            distributions=("keras", "jax"),
        ),
        Peer("c", "C, gcc -ffast-math", "c_program", "ab", program="gcc"),
        Peer("products", "bare matrix products", "matrix_products", "cdef", ("numpy",), learns=False),
    )
}  # fmt: skip


def missing(peer: Peer) -> str:
    """What keeps a system from running on this machine and how to get it; empty where nothing does."""
    if peer.program and not shutil.which(peer.program):
        return f"there is no {peer.program} on this machine: install a C compiler"
    packages = dict.fromkeys(library.split(".")[0] for library in peer.libraries)
    absent = [package for package in packages if importlib.util.find_spec(package) is None]
    if absent:
        return f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed: pip install {peer.install}"
    return ""
