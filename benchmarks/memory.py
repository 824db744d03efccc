"""Sixteen uploads of 40 MB at once: the daemon's largest resident set, on each of the three backends."""

import shutil

from benchmarks.place import DIGITOO, DOCDIGITIZER, ROSSUM, daemon, machine, png_of, until
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer

DOCUMENTS, DOCUMENT_BYTES = 16, 40_000_000
GOAL_MIB = 120_000_000 / 2**20
ENCODINGS = {
    "rossum, multipart": ROSSUM,
    "digitoo, multipart": DIGITOO,
    "digitoo, JSON with base64": DIGITOO + ", upload: {{encoding: json_base64}}",
    "docdigitizer, multipart": DOCDIGITIZER,
}
SLOW = [{"match": {"method": "POST"}, "do": {"delay_s": 2.0}}]
"""Answers come late, so that all sixteen are under way at once."""


def main() -> None:
    """Print the peak for each backend and encoding, with the goal."""
    print(machine())
    options = SandboxOptions(rossum_max_bytes=None, docdigitizer_max_bytes=None)
    for name, connection in ENCODINGS.items():
        with (
            SandboxServer(options, scenario=SLOW) as sandbox,
            daemon(
                connection, sandbox.origin, concurrency=DOCUMENTS, keys="settle: 0s, max_size: none"
            ) as place,
        ):
            before = place.peak_mib()
            first = place.top / "first.png"
            for number in range(DOCUMENTS):
                first.write_bytes(png_of(DOCUMENT_BYTES, number))
                shutil.move(first, place.drop("q0") / f"large{number}.png")
            until(lambda: place.done() == DOCUMENTS, 120)
            print(
                f"{name:28} {before:.0f} MiB idle, {place.peak_mib():.0f} MiB at most (goal {GOAL_MIB:.0f})"
            )


if __name__ == "__main__":
    main()
