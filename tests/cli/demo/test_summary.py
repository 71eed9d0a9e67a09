"""What the demo says of a cluster in the end."""

import json
from typing import Any

from capscan.cli.demo.summary import areas, easiest, known, summary


def capability(
    name: str,
    does: list[str],
    *,
    providers: tuple[str, ...] = (),
    complexity: str = "low",
    confidence: float = 0.5,
) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "resource": {"group": name.partition(".")[2]},
        "analysis": {
            "capabilities": does,
            "providers": list(providers),
            "complexity": complexity,
            "confidence": confidence,
            "description": "It is.",
            "useCase": "Use it.",
        },
    }


def listing(*items: dict[str, Any]) -> str:
    return json.dumps({"kind": "List", "items": items})


def test_each_crd_is_counted_in_one_area() -> None:
    """What the CRDs of an area do besides says nothing new."""
    items = known(
        listing(
            capability("a.x", ["Take a backup", "Prepare for disaster recovery"]),
            capability("b.x", ["Take a backup", "Prepare for disaster recovery"]),
            capability("c.x", ["Enforce policy", "Prepare for disaster recovery"]),
            capability("d.x", ["Enforce policy"]),
            capability("e.x", []),
        )
    )

    assert areas(items) == [("Prepare for disaster recovery", 3), ("Enforce policy", 1)]


def test_of_equals_the_one_that_is_named_first_stands_for_the_area() -> None:
    items = known(listing(capability("a.x", ["Take a backup", "Apply rules"])))

    assert areas(items) == [("Take a backup", 1)]


def test_the_easiest_come_from_different_groups() -> None:
    """The largest group comes first; a group without an easy CRD is left out."""
    items = known(
        listing(
            capability("only.small", ["Route"]),
            capability("unsure.large", ["Guess"], confidence=0.1),
            capability("sure.large", ["Back up"], confidence=0.9),
            capability("hard.hard", ["Suffer"], complexity="high"),
        )
    )

    assert [item.name for item in easiest(items)] == ["sure.large", "only.small"]


def test_a_crd_without_an_analysis_is_left_out() -> None:
    failed = capability("a.x", [])
    del failed["analysis"]

    assert known(listing(failed)) == []


def test_it_fits_a_terminal_whatever_the_cluster_holds() -> None:
    """It has 15 lines and 77 columns, for an indent of three."""
    many = [
        capability(
            f"{'very' * 20}long{n}.group{n}.example.com",
            [f"Do the thing number {n} " + "x" * 70],
            providers=(f"Vendor {n} " + "y" * 40,),
        )
        for n in range(300)
    ]
    lines = summary(known(listing(*many)))

    assert len(lines) <= 15
    assert max(map(len, lines)) <= 77
    assert sum("and 296 more" in line for line in lines) == 2, lines


def test_an_empty_cluster_has_a_summary_too() -> None:
    assert summary([])[0].split() == ["CRDs", "0", "from", "0", "API", "groups"]
