"""The command ``chainrule``: arguments are read here, work is done in ``chainrule.commands``."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TextIO

import chainrule
from chainrule.core.errors import ChainruleError, ConfigError

__all__ = ["main"]

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

#: Written out here, so that help and mistyped options are answered without loading the library; a test compares.
SETS = (
    "and", "or", "nand", "nor", "xor", "moons", "circles", "spirals", "blobs", "gaussian-quantiles", "sine",
    "iris", "digits", "mnist", "fashion-mnist", "kmnist",
)  # fmt: skip
ACTIVATIONS = ("relu", "leaky-relu", "elu", "selu", "gelu", "silu", "softplus", "sigmoid", "tanh")
OPTIMIZERS = ("sgd", "momentum", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "nadam")
#: What ``bench`` measures, by name and by letter, and in which systems.
WORKLOADS = {
    "a": "xor", "b": "iris", "c": "mnist", "d": "mnist-batch-norm", "e": "mnist-wide", "f": "table", "g": "predict",
    "h": "start", "i": "memory", "j": "growth",
}  # fmt: skip
SYSTEMS = ("chainrule", "chainrule-fit", "numpy", "torch", "torch-slide", "jax", "sklearn", "keras", "c", "products")

_TRAIN_HELP = f"""\
DATA is the name of a set, or a file or folder:
  sets      {", ".join(SETS[:11])},
            {", ".join(SETS[11:])}
  table     .csv, .tsv, .txt (also .gz), with or without a header; --target names the column to predict
  arrays    .npz with x and y (and x_test, y_test); .npy, a matrix whose last column is the target
  pictures  folder/CLASS/PICTURE, or folder/train/CLASS/... with folder/test/CLASS/...

Every setting that is left out is chosen to suit the data, and the choice is printed.

examples:
  chainrule train digits
  chainrule train houses.csv --target price --hidden 64,64 --epochs 200
  chainrule train mnist --data-dir ~/data --hidden 50 --batch-norm --epochs 5
"""
_PREDICT_HELP = """\
DATA is what the model was trained on or something like it: a table with the same columns (the target's may be left out),
arrays of the same width, a picture, a folder of pictures, or the name of a set. The output is CSV: row, prediction, and
for classes the probability of each. Where the true answers are in DATA, the score is printed on stderr.

examples:
  chainrule predict runs/iris/model.safetensors flowers.csv
  chainrule predict runs/digits/model.safetensors scan.png --out answer.csv
"""
_SHOW_HELP = """\
MODEL may also be the widths of a network from input to output, such as 784-50-10. With --source or --passes, the training
step is shown instead: as a NumPy program that runs by itself, or as the compiler sees it after each of its passes.

examples:
  chainrule show runs/iris
  chainrule show runs/iris --source
  chainrule show 784-50-10 --source > step.py
  chainrule show 4-8-3 --activation tanh --optimizer adam --passes
"""
_BENCH_HELP = f"""\
workloads, by letter or name:
  {", ".join(f"{letter} {name}" for letter, name in WORKLOADS.items())}
systems:
  {", ".join(SYSTEMS)}

Each case runs in a process of its own, several times; what is not installed is left out. The output is a table, and in a
folder all numbers as JSON and, where matplotlib is installed, figures. Everything takes about an hour, --quick some minutes.

examples:
  chainrule bench --quick
  chainrule bench --workloads c,d --systems chainrule,torch,jax --threads 1 --data-dir ~/data
"""
_LAB_HELP = """\
Without NAME the labs are listed. A lab prints its numbers; with --out it also leaves its figures and a page that reads as a
lesson, with the code that ran.

examples:
  chainrule lab
  chainrule lab gates --out lessons
  chainrule lab xor-space --lang ko --out lessons
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (those of the process by default) and return its exit code.

    0: done; 2: bad input, told in one message on stderr; 130: interrupted with Ctrl-C; 1: an error of chainrule's own.

    >>> main(["--version"])
    chainrule 0.1.0
    0
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _forgive_characters(sys.stdout, sys.stderr)
    debug = "--debug" in arguments
    try:
        options = _parser().parse_args(arguments)
        options.arguments = arguments
        code = _command(options)(options)
        sys.stdout.flush()
        return code
    except SystemExit as stop:  # --help and --version
        return int(stop.code or 0)
    except KeyboardInterrupt as problem:
        return _fail(str(problem) or "interrupted", debug, INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output (head, less) has seen enough.
        _give_up_stdout()
        return DONE
    except ChainruleError as problem:
        return _fail(str(problem), debug, BAD_INPUT)
    except OSError as problem:
        _give_up_stdout()
        where = f"{problem.filename}: " if problem.filename else "writing the output: "
        return _fail(f"{where}{problem.strerror or problem}", debug, BAD_INPUT)
    except MemoryError:
        return _fail("out of memory: use a smaller --batch-size or --hidden, or fewer rows", debug, BAD_INPUT)
    except Exception as problem:
        hint = "" if debug else "\n  this is a mistake in chainrule, not in your input; --debug shows where"
        return _fail(f"{type(problem).__name__}: {problem}{hint}", debug, FAILED)


def _fail(message: str, debug: bool, code: int) -> int:
    """Tell what went wrong on stderr; with ``debug`` the traceback first."""
    if debug:
        import traceback

        traceback.print_exc()
    from chainrule.commands.terminal import styled

    begin = styled("error:", "red", sys.stderr) + " " if code != INTERRUPTED else ""
    print(f"{begin}{message}", file=sys.stderr)
    return code


def _give_up_stdout() -> None:
    """Where stdout takes no more (a full disk, a closed pipe), drop what waits; Python would try, and complain, at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _forgive_characters(*streams: TextIO) -> None:
    """Let a terminal that lacks a character of some class's name show a question mark instead of failing."""
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _command(options: argparse.Namespace) -> Callable[[argparse.Namespace], int]:
    """The function that does the work; only now is the library loaded."""
    if options.command == "train":
        from chainrule.commands.train import train

        return train
    if options.command == "predict":
        from chainrule.commands.predict import predict

        return predict
    if options.command == "bench":
        from chainrule.commands.bench import bench

        return bench
    if options.command == "lab":
        from chainrule.commands.lab import lab

        return lab
    from chainrule.commands.show import show

    return show


class _Parser(argparse.ArgumentParser):
    """A parser that complains as the rest of chainrule does, and suggests what was probably meant."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        # Each command answers for its own options; argparse would let the outermost parser complain.
        options, rest = super().parse_known_args(args, namespace)
        if rest:
            known = [option for option in self._option_string_actions if option.startswith("--")]
            self._complain(f"{' '.join(rest)} is not understood", rest[0].split("=")[0], known)
        return options, rest

    def error(self, message: str) -> NoReturn:
        choice = re.match(r"argument COMMAND: invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if choice:
            self._complain(f"there is no command {choice[1]!r}", choice[1], re.findall(r"\w+", choice[2]))
        self._complain(re.sub(r"^argument (\S*/)?", "", message), "", [])

    def _complain(self, message: str, name: str, known: Sequence[str]) -> NoReturn:
        near = difflib.get_close_matches(name, known, n=1)
        fix = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"{self.prog}: {message}", fix=f"{fix}{self.prog} --help lists what there is")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="chainrule",
        description="Train neural networks on tables and pictures, use them, and see how they work.",
        epilog="chainrule COMMAND --help tells more about a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"chainrule {chainrule.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    shared: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    _add_train(commands.add_parser("train", help="train a network on data", epilog=_TRAIN_HELP, **shared))
    _add_predict(commands.add_parser("predict", help="answer for new data", epilog=_PREDICT_HELP, **shared))
    _add_show(commands.add_parser("show", help="what a saved model is made of", epilog=_SHOW_HELP, **shared))
    _add_bench(commands.add_parser("bench", help="how fast this machine trains", epilog=_BENCH_HELP, **shared))
    _add_lab(commands.add_parser("lab", help="the experiments of the lectures, as lessons", epilog=_LAB_HELP, **shared))
    return parser


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.description = "Train a network on DATA; leave a model, its history and a report in a folder."
    parser.add_argument("data", metavar="DATA", help="a set, a table, arrays, or a folder of pictures")
    data = parser.add_argument_group("data")
    data.add_argument("--target", metavar="NAME", help="column (table) or array (NPZ) to predict")
    data.add_argument(
        "--category",
        action="append",
        default=[],
        metavar="NAME",
        help="column whose numbers are names; may be repeated",
    )
    data.add_argument("--task", type=_one_of("classification", "regression"), help="classification or regression")
    data.add_argument("--validation", type=_share, metavar="SHARE", help="held out to watch the training, such as 0.2")
    data.add_argument("--test", type=_share, metavar="SHARE", help="held out for the final score, such as 0.2")
    data.add_argument("--data-dir", metavar="DIR", help="where mnist, fashion-mnist and kmnist lie or are put")
    data.add_argument("--image-size", type=_size, metavar="HxW", help="resize pictures to this size")
    network = parser.add_argument_group("network")
    network.add_argument("--hidden", type=_widths, metavar="N,N", help="units of each hidden layer, or none")
    network.add_argument("--activation", type=_one_of(*ACTIVATIONS), metavar="NAME", help=", ".join(ACTIVATIONS))
    network.add_argument("--dropout", type=_share, metavar="P", help="chance of each hidden unit to be left out")
    network.add_argument("--batch-norm", action="store_true", default=None, help="batch normalisation in every layer")
    training = parser.add_argument_group("training")
    training.add_argument("--optimizer", type=_one_of(*OPTIMIZERS), metavar="NAME", help=", ".join(OPTIMIZERS))
    training.add_argument("--lr", type=_positive, metavar="RATE", help="learning rate")
    training.add_argument("--weight-decay", type=_not_negative, metavar="RATE", help="pull of all weights towards 0")
    training.add_argument("--epochs", type=_count, metavar="N", help="passes over the training rows, at the most")
    training.add_argument("--batch-size", type=_count, metavar="N", help="rows a step")
    training.add_argument(
        "--patience", type=_count_or_zero, metavar="N", help="epochs without progress before stopping; 0: never"
    )
    training.add_argument(
        "--seed", type=_count_or_zero, default=0, metavar="N", help="the same seed gives the same run (0)"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--out", metavar="DIR", help="folder for the results (runs/<name of DATA>)")
    output.add_argument("--resume", action="store_true", help="continue an interrupted run with the same options")
    output.add_argument("--quiet", action="store_true", help="print the test result only")
    _add_debug(output)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.description = "Answer for every row of DATA with a trained model."
    parser.add_argument("model", metavar="MODEL", help="model.safetensors, or the folder of a run")
    parser.add_argument("data", metavar="DATA", help="a table, arrays, pictures, or a set")
    parser.add_argument("--out", metavar="FILE", help="CSV file to write instead of printing")
    parser.add_argument("--data-dir", metavar="DIR", help="where mnist, fashion-mnist and kmnist lie")
    _add_debug(parser)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print a model's layers, what it was trained on, what is done to its inputs, and its test results."
    )
    parser.add_argument("model", metavar="MODEL", help="model.safetensors, the folder of a run, or widths: 784-50-10")
    step = parser.add_mutually_exclusive_group()
    step.add_argument("--source", action="store_true", help="its training step as readable NumPy")
    step.add_argument("--passes", action="store_true", help="its training step after each pass of the compiler")
    network = parser.add_argument_group("network, where MODEL is its widths")
    network.add_argument("--task", type=_one_of("classification", "regression"), help="classification or regression")
    network.add_argument("--activation", type=_one_of(*ACTIVATIONS), metavar="NAME", help="of hidden layers (relu)")
    network.add_argument("--dropout", type=_share, metavar="P", help="chance of each hidden unit to be left out (0)")
    network.add_argument("--batch-norm", action="store_true", default=None, help="batch normalisation in every layer")
    network.add_argument("--optimizer", type=_one_of(*OPTIMIZERS), metavar="NAME", help="of the step (sgd)")
    network.add_argument("--batch-size", type=_count, metavar="N", help="rows of the step (100)")
    _add_debug(parser)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.description = "Measure chainrule beside NumPy, PyTorch, JAX, scikit-learn, Keras and C on this machine."
    workloads, systems = _several(_one_of(*WORKLOADS, *WORKLOADS.values())), _several(_one_of(*SYSTEMS))
    parser.add_argument("--workloads", type=workloads, metavar="A,B", help="which to measure (all)")
    parser.add_argument("--systems", type=systems, metavar="NAME,NAME", help="which to compare (all that are there)")
    parser.add_argument("--threads", type=_several(_count), metavar="N,N", help="numbers of threads (1,2)")
    parser.add_argument("--quick", action="store_true", help="less data, fewer steps, one repetition")
    parser.add_argument("--data-dir", metavar="DIR", help="where mnist lies; without it made-up pictures stand in")
    parser.add_argument("--out", metavar="DIR", help="folder for numbers and figures (runs/bench)")
    _add_debug(parser)


def _add_lab(parser: argparse.ArgumentParser) -> None:
    parser.description = "Run an experiment of the lectures; its claims are checked on what is measured."
    parser.add_argument("name", metavar="NAME", nargs="?", help="which lab")
    parser.add_argument("--out", metavar="DIR", help="folder for the page and the figures")
    parser.add_argument("--lang", type=_one_of("en", "ko"), default="en", metavar="LANG", help="en or ko (en)")
    parser.add_argument("--quick", action="store_true", help="small sizes: seconds instead of minutes")
    parser.add_argument("--data-dir", metavar="DIR", help="where mnist lies; without it small digits stand in")
    _add_debug(parser)


def _add_debug(parser: Any) -> None:
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


# ---- option values; argparse puts the option's name before what these raise


def _number(text: str, wanted: str, fits: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not fits(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return value


def _positive(text: str) -> float:
    return _number(text, "a number above 0", lambda value: 0 < value < math.inf)


def _not_negative(text: str) -> float:
    return _number(text, "a number, 0 or more", lambda value: 0 <= value < math.inf)


def _share(text: str) -> float:
    return _number(text, "a share from 0 to below 1, such as 0.2", lambda value: 0 <= value < 1)


def _whole(text: str, least: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, {least} or more")
    return int(text)


def _count(text: str) -> int:
    return _whole(text, 1)


def _count_or_zero(text: str) -> int:
    return _whole(text, 0)


def _widths(text: str) -> tuple[int, ...]:
    if text.strip().lower() in ("none", "0"):
        return ()
    try:
        return tuple(_whole(part.strip(), 1) for part in text.split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of layer widths, such as 64,32 (or none)") from None


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    try:
        sizes = [_whole(part.strip(), 1) for part in parts]
    except argparse.ArgumentTypeError:
        sizes = []
    if len(sizes) not in (1, 2):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size in pixels, such as 28x28 (height x width)")
    return sizes[0], sizes[-1]


def _one_of(*names: str) -> Callable[[str], str]:
    """A reader of one of ``names``; capitals and underscores are forgiven."""

    def read(text: str) -> str:
        name = text.lower().replace("_", "-")
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(names)}{hint}")
        return name

    return read


def _several(read: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """A reader of several values with commas between them, each read by ``read``."""
    return lambda text: list(dict.fromkeys(read(part.strip()) for part in text.split(",")))
