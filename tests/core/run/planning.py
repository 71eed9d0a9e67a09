"""What the tests of planning share: a provider, and globs over the names of CRDs."""

from typing import Any

from hypothesis import strategies as st

from capscan.core.run.plan import plan
from capscan.model import Refresh, ScanSpec, Selector
from tests.fakes import ref, run

PROVIDER = "provider/1"


def select(*names: str, **selector: Any) -> list[str]:
    """Return the names that match, out of those that are listed."""
    spec = ScanSpec(selector=Selector(**selector))
    done = plan([ref(name) for name in names], [], spec, run(), PROVIDER)
    return [item.ref.name for item in done.pending]


ALWAYS, IF_CHANGED = Refresh.ALWAYS, Refresh.IF_CHANGED
GLOBS = st.lists(st.sampled_from(["*", "a.*", "*.x", "?.x", "b.x"]), min_size=1, max_size=3)
