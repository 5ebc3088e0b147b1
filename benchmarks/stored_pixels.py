"""Measures the peak of memory while images are made for the store of pixels, and read from it once in random order.

    python -m benchmarks.stored_pixels COUNT... [--size 224] [--half]

Each count is measured in a process of its own. The images are noise of 8 bits, synthetic; `--half` stores float16, as
brain MRI does, in place of bytes, as characters do. They are read in batches of 64.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import numpy as np

from benchmarks.side_by_side import empty_cache
from shared.data.code_hash import code_hash
from shared.data.pixel_store import PixelStore, StoredType
from shared.processes.memory import begin_peak, peak_memory_mib
from shared.samples import Sample
from shared.seeding import generator
from shared.task import Image, Preprocessing

BATCH = 64


def main() -> None:
    """Measures each count in a process of its own, and prints a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stored_pixels")
    parser.add_argument("counts", nargs="+", type=int)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        _measure(given.counts[0], given.size, stored_as="float16" if given.half else "uint8")
        return
    for count in given.counts:
        words = [str(count), "--size", str(given.size), "--here", *(["--half"] if given.half else [])]
        subprocess.run([sys.executable, "-m", "benchmarks.stored_pixels", *words], check=True)


def _measure(count: int, size: int, stored_as: StoredType) -> None:
    noise = generator(0, "noise").integers(0, 256, (17, 1, size, size), dtype=np.uint8).astype(np.float32) / 255

    def make(sample: Sample) -> Image:
        image: Image = np.roll(noise[int(sample.id) % len(noise)], int(sample.id), axis=2)
        return image

    samples = [Sample(str(number), "") for number in range(count)]
    before = peak_memory_mib()
    begin_peak()
    begun = time.process_time()
    with empty_cache():
        store = PixelStore(code_hash(__name__), Preprocessing(size, 1), "noise", stored_as)
        images = store.images(samples, make, lambda *_: None)
        made = time.process_time() - begun
        order = generator(0, "order").permutation(count)
        for start in range(0, count, BATCH):
            np.stack([images[int(index)] for index in order[start : start + BATCH]])
    read = time.process_time() - begun - made
    peak = peak_memory_mib()
    print(f"{count} images of {size} px as {stored_as}: peak {peak:.0f} MiB, before {before:.0f}", flush=True)
    print(f"  {1000 * made / count:.2f} ms an image to make, {1000 * read / count:.2f} to read", flush=True)


if __name__ == "__main__":
    main()
