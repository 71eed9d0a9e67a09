"""capscan's kinds as data: names, printer columns, and the CEL rules that a schema cannot say.

A rule's message tells the user what to write instead: it is all that `kubectl apply` shows. The
fields and their descriptions come from `capscan.model`; `render.py` makes a CRD of both.
"""

from capscan.crdgen.kind import Column, Kind, Rule
from capscan.model import Capability, ProviderSpec, ProviderStatus, ScanSpec, ScanStatus
from capscan.model.duration import PATTERN

_LABEL_NAME = "([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)"
_DNS_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_DNS_NAME = f"({_DNS_LABEL}([.]{_DNS_LABEL})*)"
"""A subdomain of RFC 1123, as the names of most objects are."""

AGE = Column("Age", ".metadata.creationTimestamp", "When it was created.", type="date")

_GLOB = "self.matches('^[a-z0-9.*?-]*$')"  # minLength refuses the empty one
_GLOB_MESSAGE = (
    "only * and ? are wildcards, and CRD names have only lower-case letters, digits, - and . in "
    "them; write *.cert-manager.io"
)


_LABELS = (
    f"self.all(key, key.matches('^({_DNS_NAME}/)?{_LABEL_NAME}$') "
    f"&& self[key].matches('^{_LABEL_NAME}?$'))"
)

_NAME = f"self.matches('^{_DNS_NAME}$')"
_NAME_MESSAGE = (
    "a name has only lower-case letters, digits, - and . in it, with a letter or a digit at both "
    "ends and beside each dot (an RFC 1123 subdomain); write the name of "
)

_AMOUNT = "self.matches('^[0-9]+([.][0-9]{1,6})?$')"
_POSITIVE_MESSAGE = (
    'write a sum above 0 in quotes, such as "25.00", or leave it out for no limit; who may ask at '
    "all is said in allowedScans"
)
_AMOUNT_MESSAGE = (
    'write a decimal number in quotes, with at most six decimals, such as "3" or "0.25"'
)


def _between(shortest: str, longest: str) -> str:
    return (
        f"self.matches(r'{PATTERN}') && duration(self) >= duration('{shortest}') "
        f"&& duration(self) <= duration('{longest}')"
    )


SCAN = Kind(
    kind="CapabilityScan",
    plural="capabilityscans",
    singular="capabilityscan",
    short_names=("capscan",),
    description="A CapabilityScan asks what the cluster's CustomResourceDefinitions are for. It "
    "lists them, analyses each, and writes one Capability per CRD; status says how far it is.",
    parts={"spec": ScanSpec, "status": ScanStatus},
    # spec: an empty scan is a scan of everything. status: GitOps tools take an object without
    # status for healthy; a generation that was never observed makes them wait.
    defaults={"spec": {}, "status": {"observedGeneration": -1}},
    columns=(
        Column("Phase", ".status.phase", "Where the scan stands."),
        Column("Progress", ".status.progress.summary", "Settled CRDs and the total."),
        Column("Failed", ".status.progress.failed", "CRDs given up in this run.", type="integer"),
        # A string: a date column prints <invalid> for a time that is still to come.
        Column("ETA", ".status.eta", "Time left."),
        AGE,
        Column(
            "Ready",
            '.status.conditions[?(@.type=="Ready")].status',
            "Whether the Capabilities are what the spec asks for.",
            priority=1,
        ),
        Column("Provider", ".status.provider", "Who is asked in this run.", priority=1),
        Column("Model", ".status.model", "What answers in this run.", priority=1),
        Column(
            "Tokens",
            ".status.usage.totalTokens",
            "Prompt and answer tokens of this run.",
            type="integer",
            priority=1,
        ),
        Column(
            "Speedup",
            ".status.speedup",
            "Against asking one at a time.",
            type="number",
            priority=1,
        ),
        Column("Message", ".status.message", "Where the scan stands, in a sentence.", priority=1),
    ),
    rules=(
        Rule(
            "spec.providerRef.name",
            f"self == '' || {_NAME}",
            f"{_NAME_MESSAGE}an InferenceProvider, such as anthropic, or none for the offline "
            "analysis",
        ),
        Rule("spec.selector.include[]", _GLOB, _GLOB_MESSAGE),
        Rule("spec.selector.exclude[]", _GLOB, _GLOB_MESSAGE),
        Rule(
            "spec.selector.matchLabels",
            _LABELS,
            "each entry is a label that a CRD carries, compared exactly and without wildcards; "
            "write app.kubernetes.io/part-of: cert-manager",
        ),
        Rule(
            "spec.itemTimeout",
            _between("1s", "1h"),
            "write a duration from 1s to 1h, such as 90s or 2m30s",
        ),
        Rule(
            "spec.progressInterval",
            _between("500ms", "10m"),
            "write a duration from 500ms to 10m, such as 2s",
        ),
        Rule(
            "spec.schedule",
            "self == '' || self.matches('^ *[0-9A-Za-z*,/#-]+( +[0-9A-Za-z*,/#-]+){4} *$')",
            "write the five fields of a cron line: minute, hour, day of month, month, day of week, "
            'such as "0 3 * * 1-5" for three on weekdays',
        ),
        Rule(
            "spec.timeZone",
            "self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$')",
            "write a name of the IANA database, such as Europe/Berlin, or UTC",
        ),
        Rule("spec.budget.maxCost", f"self == '' || {_AMOUNT}", _AMOUNT_MESSAGE),
    ),
)

CAPABILITY = Kind(
    kind="Capability",
    plural="capabilities",
    singular="capability",
    short_names=("cap", "crdcap"),
    description="A Capability says what one CustomResourceDefinition is for. It has the CRD's "
    "name, is written by capscan, and goes when the CRD goes.",
    parts=Capability,
    columns=(
        Column("Kind", ".resource.kind", "Kind of the CRD's objects."),
        Column("Complexity", ".analysis.complexity", "How much a user must know and write."),
        Column("Providers", ".summary.providers", "Vendors and technologies."),
        Column("Description", ".summary.description", "What it is."),
        AGE,
    ),
)

_HTTP_URL = (
    "self == '' || (isURL(self) && url(self).getScheme() in ['http', 'https'] "
    "&& url(self).getHostname() != '')"
)

PROVIDER = Kind(
    kind="InferenceProvider",
    plural="inferenceproviders",
    singular="inferenceprovider",
    short_names=("iprov",),
    description="An InferenceProvider is one account at a model provider: where it is, which "
    "model, whose key, and what it allows. Scans name it in spec.providerRef and share its limits.",
    parts={"spec": ProviderSpec, "status": ProviderStatus},
    defaults={"status": {"observedGeneration": -1}},
    required=("spec",),
    columns=(
        Column(
            "Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether it can be asked."
        ),
        Column("Protocol", ".spec.protocol", "The API it speaks.", priority=1),
        Column("Model", ".spec.model", "The model."),
        Column("Circuit", ".status.circuit", "Whether requests go through."),
        Column(
            "InFlightLimit",
            ".status.inFlightLimit",
            "Requests at once that it is trusted with now.",
            type="integer",
        ),
        AGE,
        Column(
            "TokensToday",
            ".status.today.totalTokens",
            "Prompt and answer tokens of today, in UTC.",
            type="integer",
            priority=1,
        ),
        Column("CostToday", ".status.today.cost", "What they cost.", priority=1),
        Column(
            "Message",
            '.status.conditions[?(@.type=="Ready")].message',
            "What is wrong with it, and what to do.",
            priority=1,
        ),
    ),
    rules=(
        Rule(
            "",
            "!has(self.spec.fallbackRef) || self.spec.fallbackRef.name != self.metadata.name",
            "a provider cannot stand in for itself: name another one in spec.fallbackRef, or none",
        ),
        Rule(
            "spec",
            "self.adaptive || (has(self.limits) && has(self.limits.maxInFlight))",
            "adaptive: false keeps exactly limits.maxInFlight requests in flight: set that too",
        ),
        Rule(
            "spec",
            "self.baseURL != '' || has(self.apiKeySecretRef)",
            "the provider's public API needs a key: set apiKeySecretRef, or baseURL for a server "
            "of your own",
        ),
        Rule(
            "spec",
            "!has(self.limits) || !has(self.limits.maxCostPerDay) || has(self.pricing)",
            "maxCostPerDay is counted by prices: set spec.pricing too, or use maxTokensPerDay",
        ),
        Rule("spec.limits.maxCostPerDay", _AMOUNT, _AMOUNT_MESSAGE),
        Rule("spec.limits.maxCostPerDay", "self.matches('[1-9]')", _POSITIVE_MESSAGE),
        Rule(
            "spec.allowedScans.names[]",
            _GLOB,
            "only * and ? are wildcards, and names have only lower-case letters, digits, - and . "
            "in them; write team-a-*",
        ),
        Rule(
            "spec.allowedScans.matchLabels",
            _LABELS,
            "each entry is a label that a CapabilityScan carries, compared exactly and without "
            "wildcards; write team: a",
        ),
        Rule(
            "spec.minimumRunInterval",
            _between("1s", "720h"),
            "write a duration from 1s to 720h, such as 1h",
        ),
        Rule(
            "spec.baseURL",
            _HTTP_URL,
            "write the whole address, scheme included, such as https://api.example.com/v1",
        ),
        Rule(
            "spec.baseURL",
            "!self.matches('^[a-zA-Z]+://[^/?#]*@')",
            "leave user and password out of the address: keys come from apiKeySecretRef",
        ),
        Rule(
            "spec.baseURL",
            "!self.matches('^[a-zA-Z]+://(169[.]254[.]|[[][fF][eE][89abAB])')",
            "link-local addresses are refused: they lead to the cloud's metadata, not to a model",
        ),
        Rule(
            "spec.apiKeySecretRef.name",
            _NAME,
            f"{_NAME_MESSAGE}a Secret in the operator's namespace, such as anthropic; no path",
        ),
        Rule(
            "spec.fallbackRef.name",
            _NAME,
            f"{_NAME_MESSAGE}another InferenceProvider, such as openai",
        ),
        Rule("spec.proxyURL", _HTTP_URL, "write the whole address, such as http://proxy.corp:3128"),
        Rule(
            "spec.proxyURL",
            "!self.matches('^[a-zA-Z]+://[^/?#]*@')",
            "leave user and password out of the address: everybody who may read it would see them",
        ),
        Rule(
            "spec.requestTimeout",
            _between("1s", "1h"),
            "write a duration from 1s to 1h, such as 60s",
        ),
        Rule(
            "spec.circuitBreaker.openFor",
            _between("100ms", "10m"),
            "write a duration from 100ms to 10m, such as 2s",
        ),
        *(
            Rule(f"spec.pricing.{field}", _AMOUNT, _AMOUNT_MESSAGE)
            for field in (
                "inputPerMillionTokens",
                "cachedInputPerMillionTokens",
                "outputPerMillionTokens",
            )
        ),
    ),
)

KINDS = (SCAN, CAPABILITY, PROVIDER)
