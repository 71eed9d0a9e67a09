"""How long the event loop is held while one CRD is digested, and answered without a model.

A very large CRD is measured beside one of a tenth of its size: processor time, the median of many.
"""

import time
from collections.abc import Callable, Iterator
from statistics import median

from tests.builders import crd, wide

from benchmarks.figures import Figure
from capscan.core.crd.digest import digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.inference.offline.heuristic import analyze

BYTES = 2_900_000
"""As large as CRDs of real clusters get."""
TIMES = 50


def measure() -> Iterator[Figure]:
    """Measure the digest, then the answer."""
    large, tenth = (parse_crd(crd(schema=wide(size))) for size in (BYTES, BYTES // 10))
    yield from _beside("digest", lambda: digest_crd(large), lambda: digest_crd(tenth), 150)
    of_large, of_tenth = digest_crd(large), digest_crd(tenth)
    yield from _beside("answer", lambda: analyze(of_large), lambda: analyze(of_tenth), 5)


def _beside(
    name: str, large: Callable[[], object], tenth: Callable[[], object], target_ms: float
) -> Iterator[Figure]:
    large_ms, tenth_ms = _ms(large), _ms(tenth)
    yield Figure(f"{name}, CRD of 2.9 MB", large_ms, "ms", target_ms)
    yield Figure("  large / a tenth of it", large_ms / tenth_ms, "x")


def _ms(work: Callable[[], object]) -> float:
    work()
    taken_s = []
    for _ in range(TIMES):
        began_s = time.process_time()
        work()
        taken_s.append(time.process_time() - began_s)
    return median(taken_s) * 1000
