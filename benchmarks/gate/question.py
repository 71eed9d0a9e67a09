"""What is asked: the product's own prompt about a small CRD, of which only the name changes.

Peers get it as a template, so that everybody sends the same; the fake finds the name in it.
"""

from capscan.core.answer.prompt import first_prompt
from capscan.core.answer.room import ANSWER_TOKENS_MAX
from capscan.core.crd.digest import Digest, digest_crd
from capscan.model import Crd

MODEL = "gpt-5-mini"
_TEMPLATE_NUMBER = 0


def digest(number: int) -> Digest:
    """Return the digest of one CRD. The prompts of all CRDs have the same length."""
    kind = f"Kind{number:05}"
    return digest_crd(
        Crd(
            name=f"{kind.lower()}.example.com",
            uid=f"uid-{number}",
            generation=1,
            group="example.com",
            kind=kind,
            plural=kind.lower(),
            singular=kind.lower(),
            scope="Namespaced",
            short_names=(),
            categories=(),
            version="v1",
            versions=("v1",),
            served=True,
            deprecated=False,
            schema={
                "type": "object",
                "description": "A request for one thing to be turned into another.",
                "properties": {
                    "spec": {
                        "type": "object",
                        "required": ["size"],
                        "properties": {
                            "size": {"type": "integer", "description": "How large it is."},
                            "colour": {"type": "string", "enum": ["red", "green"]},
                        },
                    }
                },
            },
        )
    )


_PROMPT = first_prompt(digest(_TEMPLATE_NUMBER).text)
SYSTEM = _PROMPT.system
QUESTION = _PROMPT.messages[0].text.replace(f"ind{_TEMPLATE_NUMBER:05}", "ind{number}")
"""With {number} in the place of five digits."""

CHARGED_TOKENS = -(-len((SYSTEM + _PROMPT.messages[0].text).encode()) // 4) + ANSWER_TOKENS_MAX
"""Of one request, as OpenAI charges it: the prompt at four bytes a token, and all that it may
answer.
"""
