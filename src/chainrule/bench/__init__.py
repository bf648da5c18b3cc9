"""How fast, how large: chainrule beside other systems, each case in a process of its own (``chainrule bench``).

``run`` measures, ``print_report`` and ``write_report`` show. The parts: ``workloads`` (what is trained, on which rows, and what
it must reach), ``systems`` (who takes part), ``peers/`` (how each does it), ``case`` (the process of one case).
"""

from chainrule.bench.record import Record, Results, read_results, spread, write_results
from chainrule.bench.report import print_report, write_report
from chainrule.bench.runner import run
from chainrule.bench.systems import SYSTEMS, Peer
from chainrule.bench.workloads import WORKLOADS, Workload

__all__ = [
    "SYSTEMS",
    "WORKLOADS",
    "Peer",
    "Record",
    "Results",
    "Workload",
    "print_report",
    "read_results",
    "run",
    "spread",
    "write_report",
    "write_results",
]
