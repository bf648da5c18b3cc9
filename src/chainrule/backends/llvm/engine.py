"""LLVM itself: from the texts of modules to their function ``run``. The only file that imports llvmlite."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import llvmlite
import llvmlite.binding as llvm
from llvmlite.binding import ffi

from chainrule.backends.llvm.writer import AS_WRITTEN, THOROUGH, UNROLL
from chainrule.core.config import config
from chainrule.core.errors import GraphError

__all__ = ["compile_objects", "has_feature", "load_objects", "target_name"]

#: ``run(table, steps, thread, threads)``.
_RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


@functools.cache
def _host() -> tuple[Any, str, str]:
    """The target, the processor and its features."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _machine() -> Any:
    """A code generator; each thread and each engine needs one of its own."""
    target, processor, features = _host()
    # Addresses are written out in full: of several object files with tables of offsets, MCJIT mixes the tables up.
    return target.create_target_machine(
        cpu=processor, features=features, opt=2, reloc="default", codemodel="jitdefault"
    )


@functools.cache
def target_name() -> str:
    """What compiled code depends on besides its text: LLVM's version, the processor and its features."""
    version = ".".join(map(str, llvm.llvm_version_info))
    _, processor, features = _host()
    return f"llvm {version}, llvmlite {llvmlite.__version__}, {processor}, {features}"


@functools.cache
def has_feature(name: str) -> bool:
    """Whether the processor has an extension, by LLVM's name for it."""
    return f"+{name}" in _host()[2].split(",")


def compile_objects(texts: Sequence[str], optimised: list[str] | None = None) -> list[bytes]:
    """Optimise modules and compile each to an object file, several at the same time.

    ``optimised`` takes the texts after LLVM's passes.
    """
    compiled = functools.partial(_compile, show=optimised is not None)
    threads = min(len(texts), config.threads)
    if threads == 1:
        made = [compiled(text) for text in texts]
    else:
        with ThreadPoolExecutor(threads, thread_name_prefix="chainrule-llvm") as pool:
            made = list(pool.map(compiled, texts))
    if optimised is not None:
        optimised += [text for _, text in made]
    return [code for code, _ in made]


def _compile(text: str, show: bool) -> tuple[bytes, str]:
    machine = _machine()
    try:
        # LLVM allows one thread in a context.
        module = llvm.parse_assembly(text, llvm.create_context())
        module.verify()
        module.triple, module.data_layout = machine.triple, str(machine.target_data)
        _optimise(module, machine, text[:100])
        code = _emit(module, machine)
    except RuntimeError as problem:
        raise GraphError("compile the program with LLVM", f"{problem}\n{text}", "a module that LLVM takes") from None
    return code, str(module) if show else ""


def _optimise(module: Any, machine: Any, head: str) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=2 if THOROUGH in head else 1)
    options.loop_vectorization = options.slp_vectorization = True
    # Interleaved and then unrolled as a whole, a maximum of four numbers took LLVM 22 a minute.
    options.loop_interleaving = THOROUGH not in head
    options.loop_unrolling = UNROLL in head
    builder = llvm.create_pass_builder(machine, options)
    if AS_WRITTEN in head:
        tidy = llvm.create_new_function_pass_manager()
        tidy.add_sroa_pass()
        tidy.add_instruction_combine_pass()
        for function in module.functions:
            if not function.is_declaration:
                tidy.run(function, builder)
        manager, dispose = tidy, ffi.lib.LLVMPY_DisposeNewFunctionPassManger
    else:
        manager, (run, _) = builder.getModulePassManager(), _heavy()
        run(manager, module, builder)
        dispose = ffi.lib.LLVMPY_DisposeNewModulePassManger
    # llvmlite 0.50 forgets to: an empty method hides the one that would.
    dispose(manager)
    manager.detach()


def _emit(module: Any, machine: Any) -> bytes:
    _, emit = _heavy()
    with ffi.OutputString() as problem:
        buffer = emit(machine, module, 1, problem)
        if not buffer:
            raise RuntimeError(str(problem))
    try:
        return ctypes.string_at(ffi.lib.LLVMPY_GetBufferStart(buffer), ffi.lib.LLVMPY_GetBufferSize(buffer))
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


@functools.cache
def _heavy() -> tuple[Any, Any]:
    """The passes and the code generator, past the lock with which llvmlite keeps all of LLVM to one thread at a time.

    The lock guards what threads share; modules in contexts of their own share nothing. Where llvmlite does not have these
    functions, or has them with other arguments, they are its own, which take turns.
    """
    module, text = ffi.LLVMModuleRef, ctypes.POINTER(ctypes.c_char_p)
    signatures = {
        "LLVMPY_RunNewModulePassManager": [ffi.LLVMModulePassManagerRef, module, ffi.LLVMPassBuilderRef],
        "LLVMPY_TargetMachineEmitToMemory": [ffi.LLVMTargetMachineRef, module, ctypes.c_int, text],
    }
    run, emit = public = tuple(getattr(ffi.lib, name) for name in signatures)
    if [list(function.argtypes) for function in public] != list(signatures.values()):
        return run, emit
    try:
        library = ctypes.CDLL(ffi.lib._name, handle=ffi.lib._handle)
        run, emit = (getattr(library, name) for name in signatures)
    except (AttributeError, OSError, TypeError):
        return run, emit
    for function, known in zip((run, emit), public, strict=True):
        function.argtypes, function.restype = known.argtypes, known.restype
    return run, emit


def load_objects(objects: Sequence[bytes]) -> Callable[[int, int, int, int], None]:
    """Load object files that call each other; their function ``run``, whose code lives as long as somebody holds it."""
    machine, empty = _machine(), llvm.parse_assembly("")
    engine = llvm.create_mcjit_compiler(empty, machine)
    # An engine begins with a module; compiling an empty one takes longer than loading a full object file.
    engine.remove_module(empty)
    for code in objects:
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    run = _RUN(engine.get_function_address("run"))
    # llvmlite disposes of an engine that nobody holds: under its lock, and not when Python shuts down.
    run.engine = engine  # type: ignore[attr-defined]
    return run
