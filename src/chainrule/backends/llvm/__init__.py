"""The LLVM back end: programs as native code. Its file ``engine`` is the only place that imports llvmlite."""

from chainrule.backends.llvm.run import LlvmExecutable

__all__ = ["LlvmExecutable"]
