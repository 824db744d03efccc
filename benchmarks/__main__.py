"""Run the benchmarks: all, or those named on the command line (`latency,memory`); `soak` only if it is named."""

import importlib
import sys

WORK = ("latency", "memory", "structure_walk")
LONG = "soak"
"""Takes half an hour, and options of its own: `soak --minutes 30`."""


def main() -> None:
    """Run what was asked for, in the order of the list."""
    if sys.argv[1:2] == [LONG]:
        importlib.import_module(f"benchmarks.{LONG}").main()
        return
    asked = [name for word in sys.argv[1:] for name in word.split(",") if name] or list(WORK)
    unknown = [name for name in asked if name not in WORK]
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(WORK)}")
    for name in asked:
        print(f"== {name}")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
