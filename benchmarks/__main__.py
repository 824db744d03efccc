"""Run the benchmarks: all, or those named on the command line (`latency,memory`)."""

import importlib
import sys

WORK = ("latency", "memory", "structure_walk")


def main() -> None:
    """Run what was asked for, in the order of the list."""
    asked = [name for word in sys.argv[1:] for name in word.split(",") if name] or list(WORK)
    unknown = [name for name in asked if name not in WORK]
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(WORK)}")
    for name in asked:
        print(f"== {name}")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
