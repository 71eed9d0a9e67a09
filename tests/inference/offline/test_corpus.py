"""The offline analysis over real CRDs, scored by the corpus's own scorer. The floors lie a little
under what was measured, so that a change that costs quality shows.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from capscan.core.crd.digest import DIGEST_BYTES_MAX, digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.inference.offline.heuristic import analyze
from capscan.model import Analysis
from tests.inference.offline import corpus

FLOORS = {
    "must_recall_brief": 0.97,
    "capability_recall": 0.75,
    "provider_f1": 0.97,
    "vendor_f1": 0.97,
    "complexity": 0.89,
}


@corpus.needs_corpus
@pytest.mark.parametrize(("part", "count"), [("dev", 125), ("stress", 40)])
def test_every_real_crd_is_parsed_digested_and_analysed(part: str, count: int) -> None:
    """Answers stay within bounds, and the largest CRD is fast."""
    bodies = corpus.bodies(part)
    slowest_s = 0.0
    for body in bodies.values():
        crd = parse_crd(body)
        started = time.process_time()
        digest = digest_crd(crd)
        analyze(digest)
        slowest_s = max(slowest_s, time.process_time() - started)

        assert len(digest.text.encode()) <= DIGEST_BYTES_MAX

    assert len(bodies) == count
    assert slowest_s < 0.15


@corpus.needs_corpus
def test_answers_are_as_good_as_they_were(tmp_path: Path) -> None:
    """They are measured against labels written by hand."""
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        "".join(
            json.dumps({"name": name, **_answer(name).to_wire()}) + "\n"
            for name in corpus.bodies("dev")
        ),
        encoding="utf-8",
    )
    folder = corpus.folder()
    aliases = folder / "provider_aliases.json"
    command = [folder / "score_labels.py", answers, folder / "dev_labels.jsonl", aliases]
    printed = subprocess.run(
        [sys.executable, "-W", "ignore", *command], capture_output=True, text=True, check=True
    ).stdout
    scores = {key: float(value) for key, value in map(str.split, printed.splitlines())}

    assert {key: scores[key] for key, floor in FLOORS.items() if scores[key] < floor} == {}


@corpus.needs_corpus
@pytest.mark.parametrize("part", ["dev", "stress"])
def test_answers_to_real_crds_read_as_sentences(part: str) -> None:
    """What no sentence may hold: markup, addresses, cut words, doubled marks, boilerplate."""
    unclean = re.compile(
        r"[`*<>{}|]|https?:|…|\.\.|\s[,.;:]|  |,\.|:\.|\(\)| an? [AEIOU]?$|"
        r"is the schema for|desired state|\ban (?:user|unique)\b|\ba (?:API|HTTP|S3|AWS|EKS)\b",
        re.IGNORECASE,
    )
    for name in corpus.bodies(part):
        found = _answer(name, part)
        for text in (found.description, found.use_case):
            assert text.endswith("."), (name, text)
            assert text[0].isupper(), (name, text)
            assert not unclean.search(text), (name, text)
            assert len(text) <= 300, (name, text)


def _answer(name: str, part: str = "dev") -> Analysis:
    return analyze(digest_crd(parse_crd(corpus.bodies(part)[name])))
