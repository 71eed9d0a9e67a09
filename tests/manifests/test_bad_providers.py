"""A real API server refuses mistakes in an InferenceProvider, and fills in its defaults."""

import json
from typing import Any

import pytest
import yaml

from tests.kubectl import Kubectl
from tests.manifests.asking import refusal

URL = "write the whole address, scheme included, such as https://api.example.com/v1"
KEYLESS: dict[str, Any] = {
    "protocol": "OpenAI",
    "model": "llama3",
    "baseURL": "http://ollama.ai.svc:11434/v1",
}


def provider(**changes: Any) -> dict[str, Any]:
    """Return a manifest with these changes; None takes a field out."""
    spec = {name: value for name, value in (KEYLESS | changes).items() if value is not None}
    return {
        "apiVersion": "capscan.dev/v1alpha1",
        "kind": "InferenceProvider",
        "metadata": {"name": "local"},
        "spec": spec,
    }


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no model": ({"model": None}, "spec.model", "Required value"),
    "an unknown protocol": (
        {"protocol": "Gemini"},
        'spec.protocol: Unsupported value: "Gemini"',
        '"Anthropic", "OpenAI"',
    ),
    "no scheme": ({"baseURL": "api.example.com/v1"}, "spec.baseURL", URL),
    "a scheme that is not HTTP": ({"baseURL": "ftp://api.example.com"}, "spec.baseURL", URL),
    "no host": ({"baseURL": "https:///v1"}, "spec.baseURL", URL),
    "credentials in the address": (
        {"baseURL": "https://me:secret@api.example.com/v1"},
        "spec.baseURL",
        "keys come from apiKeySecretRef",
    ),
    "the cloud's metadata": (
        {"baseURL": "http://169.254.169.254/latest"},
        "spec.baseURL",
        "link-local addresses are refused",
    ),
    "a link-local address of IPv6": (
        {"baseURL": "http://[fe80::1]/v1"},
        "spec.baseURL",
        "link-local addresses are refused",
    ),
    "a public API without a key": (
        {"baseURL": None},
        "spec",
        "set apiKeySecretRef, or baseURL for a server of your own",
    ),
    "a path to a Secret of another namespace": (
        {"apiKeySecretRef": {"name": "../../other/secrets/theirs"}},
        "spec.apiKeySecretRef.name",
        "write the name of a Secret in the operator's namespace",
    ),
    "a Secret's name in upper case": (
        {"apiKeySecretRef": {"name": "Anthropic"}},
        'spec.apiKeySecretRef.name: Invalid value: "Anthropic"',
        "an RFC 1123 subdomain); write the name of a Secret",
    ),
    "a Secret's name with a dash beside a dot": (
        {"apiKeySecretRef": {"name": "key-.anthropic"}},
        "spec.apiKeySecretRef.name",
        "a letter or a digit at both ends and beside each dot",
    ),
    "a limit of money without prices": (
        {"limits": {"maxCostPerDay": "5"}},
        "spec",
        "set spec.pricing too, or use maxTokensPerDay",
    ),
    "a limit of no money at all": (
        {"limits": {"maxCostPerDay": "0.00"}, "pricing": {}},
        "spec.limits.maxCostPerDay",
        "write a sum above 0 in quotes",
    ),
    "a limit that is no sum": (
        {"limits": {"maxCostPerDay": "5 EUR"}, "pricing": {}},
        "spec.limits.maxCostPerDay",
        "write a decimal number in quotes",
    ),
    "a limit of no tokens": (
        {"limits": {"maxTokensPerDay": 0}},
        "spec.limits.maxTokensPerDay",
        "greater than or equal to 1",
    ),
    "a regular expression for names of scans": (
        {"allowedScans": {"names": ["team-(a|b)"]}},
        "spec.allowedScans.names",
        "only * and ? are wildcards",
    ),
    "a label of scans that none can carry": (
        {"allowedScans": {"matchLabels": {"team": "a b"}}},
        "spec.allowedScans.matchLabels",
        "each entry is a label that a CapabilityScan carries",
    ),
    "an interval in days": (
        {"minimumRunInterval": "1d"},
        "spec.minimumRunInterval",
        "write a duration from 1s to 720h",
    ),
    "a fallback's name with a space": (
        {"fallbackRef": {"name": "Fake Provider"}},
        'spec.fallbackRef.name: Invalid value: "Fake Provider"',
        "an RFC 1123 subdomain); write the name of another InferenceProvider, such as openai",
    ),
    "a proxy without scheme": (
        {"proxyURL": "proxy.corp:3128"},
        "spec.proxyURL",
        "such as http://proxy.corp:3128",
    ),
    "itself as a fallback": (
        {"fallbackRef": {"name": "local"}},
        "InferenceProvider",
        "cannot stand in for itself",
    ),
    "nobody as a fallback": (
        {"fallbackRef": {"name": ""}},
        "spec.fallbackRef.name",
        "should be at least 1 chars long",
    ),
    "a fixed number that is not given": (
        {"adaptive": False},
        "spec",
        "set that too",
    ),
    "no requests at all": (
        {"limits": {"requestsPerMinute": 0}},
        "spec.limits.requestsPerMinute",
        "greater than or equal to 1",
    ),
    "more headroom than there is room": (
        {"limits": {"headroomPercent": 100}},
        "spec.limits.headroomPercent",
        "less than or equal to 90",
    ),
    "a timeout in words": (
        {"requestTimeout": "a minute"},
        "spec.requestTimeout",
        "write a duration from 1s to 1h",
    ),
    "a circuit that never closes": (
        {"circuitBreaker": {"openFor": "24h"}},
        "spec.circuitBreaker.openFor",
        "write a duration from 100ms to 10m",
    ),
    "a price with its currency": (
        {"pricing": {"inputPerMillionTokens": "3 USD"}},
        "spec.pricing.inputPerMillionTokens",
        'such as "3" or "0.25"',
    ),
    "a negative price": (
        {"pricing": {"outputPerMillionTokens": "-1"}},
        "spec.pricing.outputPerMillionTokens",
        'such as "3" or "0.25"',
    ),
    "a price that is a number": (
        {"pricing": {"outputPerMillionTokens": 15}},
        "spec.pricing.outputPerMillionTokens",
        'must be of type string: "integer"',
    ),
    "a Secret of another namespace": (
        {"apiKeySecretRef": {"name": "key", "namespace": "kube-system"}},
        "strict decoding error",
        'unknown field "spec.apiKeySecretRef.namespace"',
    ),
    "a key in plain sight": (
        {"apiKey": "sk-123"},
        "strict decoding error",
        'unknown field "spec.apiKey"',
    ),
}


@pytest.mark.parametrize(("changes", "where", "what"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_with_a_message(
    installed: Kubectl, changes: dict[str, Any], where: str, what: str
) -> None:
    """The message names the field and says what to write."""
    said = refusal(installed, "apply", "-f", "-", manifest=provider(**changes))

    assert where in said
    assert what in said


def test_defaults_are_filled_in(installed: Kubectl) -> None:
    """`kubectl get -o yaml` shows what is in force."""
    try:
        installed("apply", "-f", "-", input=yaml.safe_dump(provider()))
        found = json.loads(installed("get", "iprov", "local", "-o", "json"))
    finally:
        installed("delete", "inferenceprovider", "local", "--ignore-not-found")

    assert found["spec"] == KEYLESS | {
        "adaptive": True,
        "caBundle": "",
        "proxyURL": "",
        "requestTimeout": "1m",
        "limits": {"headroomPercent": 0},
        "circuitBreaker": {"failurePercent": 60, "minimumRequests": 10, "openFor": "2s"},
    }
    assert found["status"] == {"observedGeneration": -1}
