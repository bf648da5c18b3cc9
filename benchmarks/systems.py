"""chainrule beside other systems on this machine, the results kept here: ``chainrule bench`` with its own folder.

Run it with ``scripts/bench``, or ``python benchmarks/systems.py`` and the options of ``chainrule bench``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from chainrule.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", "--out", str(Path(__file__).parent / "results"), *sys.argv[1:]]))
