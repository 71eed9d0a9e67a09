"""The clients. Each is a process of its own; the peers' run in an environment of their own."""

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PEERS = Path("benchmarks/peers")
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"


@dataclass(frozen=True)
class Row:
    """One client and how to start it."""

    name: str
    command: tuple[str, ...]


def _peer(name: str, script: str) -> Row:
    return Row(name, (str(PEERS_PYTHON), str(PEERS / f"{script}.py")))


CAPSCAN = Row("capscan", (sys.executable, "-m", "benchmarks.gate.capscan_client"))
PEER_ROWS = (
    _peer("semaphore + tenacity", "naive"),
    _peer("semaphore + aiolimiters", "aiolimiters"),
    _peer("OpenAI's SDK + semaphore", "openai_sdk"),
    _peer("LangChain + its limiter", "langchain_limited"),
    _peer("LiteLLM's router", "litellm_router"),
    _peer("curator", "curator"),
)
ROWS = (*PEER_ROWS, CAPSCAN)
