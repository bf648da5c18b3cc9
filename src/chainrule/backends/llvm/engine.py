"""LLVM itself: from the text of a module to the address of ``run``. The only file that imports llvmlite."""

from __future__ import annotations

import functools
import threading
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from chainrule.backends.llvm.writer import THOROUGH, UNROLL
from chainrule.core.errors import GraphError

__all__ = ["compile_object", "has_feature", "load_object", "target_name"]

_lock = threading.Lock()
#: Engines own the code that they have loaded; they live as long as the process.
_engines: list[Any] = []


@functools.cache
def _machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=2,
        reloc="pic",
        codemodel="jitdefault",
    )


@functools.cache
def target_name() -> str:
    """What compiled code depends on besides its text: LLVM's version, the processor and its features."""
    version = ".".join(map(str, llvm.llvm_version_info))
    features = llvm.get_host_cpu_features().flatten()
    return f"llvm {version}, llvmlite {llvmlite.__version__}, {llvm.get_host_cpu_name()}, {features}"


@functools.cache
def has_feature(name: str) -> bool:
    """Whether the processor has an extension, by LLVM's name for it."""
    return f"+{name}" in llvm.get_host_cpu_features().flatten().split(",")


def compile_object(text: str, optimised: list[str] | None = None) -> bytes:
    """Optimise a module and compile it to an object file; ``optimised`` takes the text after LLVM's passes."""
    with _lock:
        machine = _machine()
        try:
            module = llvm.parse_assembly(text)
            module.verify()
        except RuntimeError as problem:
            raise GraphError(
                "compile the program with LLVM", f"{problem}\n{text}", "a module that LLVM takes"
            ) from None
        module.triple, module.data_layout = machine.triple, str(machine.target_data)
        head = text[:100]
        options = llvm.create_pipeline_tuning_options(speed_level=2 if THOROUGH in head else 1)
        options.loop_vectorization = options.slp_vectorization = True
        # Interleaved and then unrolled as a whole, a maximum of four numbers took LLVM 22 a minute.
        options.loop_interleaving = THOROUGH not in head
        options.loop_unrolling = UNROLL in head
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        if optimised is not None:
            optimised.append(str(module))
        return bytes(machine.emit_object(module))


def load_object(code: bytes) -> int:
    """Load an object file; the address of its function ``run``."""
    with _lock:
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        _engines.append(engine)
        return int(engine.get_function_address("run"))
