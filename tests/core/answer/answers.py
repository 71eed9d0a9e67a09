"""A right answer, a draft of it, and the ways in which models and servers wrap the two."""

import json
from collections.abc import Callable
from typing import Any

RIGHT: dict[str, Any] = {
    "capabilities": ["Reserve berths for ships", "Move a ship to another berth"],
    "providers": ["Harbour Master"],
    "abstractions": ["berth", "tide window"],
    "complexity": "medium",
    "description": "A berth that is kept free for one ship.",
    "useCase": "When a ship has to lie somewhere tonight.",
    "confidence": 0.8,
}
DRAFT = RIGHT | {"description": "A first try that nobody meant.", "confidence": 0.2}

right, draft = json.dumps(RIGHT), json.dumps(DRAFT)

Wrap = Callable[[str, str], str]
"""From a draft and an answer to what a model writes."""

AFTER_THOUGHTS: dict[str, Wrap] = {
    "think": lambda d, a: f"<think>{d}</think>\n{a}",
    "capitals": lambda d, a: f"<THINK>{d}</THINK>{a}",
    "attributes": lambda d, a: f'<thinking type="long">{d}</thinking>{a}',
    "thought": lambda d, a: f"<thought>\nlet me see {d}\n</thought>\n\n{a}",
    "reasoning": lambda d, a: f"<reasoning>{d}</reasoning>{a}",
    "scratchpad": lambda d, a: f"<scratchpad>{d}</scratchpad>{a}",
    "reflection": lambda d, a: f"<reflection>{d}</reflection>{a}",
    "analysis": lambda d, a: f"<analysis>{d}</analysis>{a}",
    "a name space": lambda d, a: f"<seed:think>{d}</seed:think>{a}",
    "triangles": lambda d, a: f"◁think▷{d}◁/think▷{a}",
    "brackets": lambda d, a: f"[THINK]{d}[/THINK]{a}",
    "pipes": lambda d, a: f"<|thinking|>{d}<|/thinking|>{a}",
    "begin and end": lambda d, a: f"<|begin_of_thought|>{d}<|end_of_thought|>{a}",
    "start and end": lambda d, a: f"<|START_THINKING|>{d}<|END_THINKING|>{a}",
    "a channel": lambda d, a: f"<|channel>thought\n{d}<channel|>{a}",
    "unused tokens": lambda d, a: f"<unused94>thought\n{d}<unused95>{a}",
    "escaped": lambda d, a: f"&lt;think&gt;{d}&lt;/think&gt;{a}",
    "a fence": lambda d, a: f"```thinking\n{d}\n```\n{a}",
    "no beginning": lambda d, a: f"so {d}\n</think>\n{a}",
    "no end": lambda d, a: f"<think>first {d}, then\n{a}",
    "twice": lambda d, a: f"<think>{d}</think>hm<think>{d}</think>{a}",
    "one in another": lambda d, a: f"<think>a<think>{d}</think>b {d}</think>{a}",
    "the mark in thoughts": lambda d, a: f"<think>not <think>, {d}</think>{a}\nGood luck!",
    "answer first": lambda d, a: f"{a}\n<think>or was it {d}?</think>",
    "half an object in thoughts": lambda d, a: f"<think>{d[:60]}</think>{a}",
    "harmony": lambda d, a: (
        f"<|channel|>analysis<|message|>{d}<|end|><|start|>assistant"
        f"<|channel|>final<|message|>{a}<|return|>"
    ),
    "harmony with a constraint": lambda d, a: (
        f"<|channel|>analysis<|message|>{d}<|end|><|channel|>final <|constrain|>json<|message|>{a}"
    ),
    "harmony without marks": lambda d, a: f"analysisI think {d}assistantfinal{a}",
    "harmony's comment": lambda d, a: (
        f"<|channel|>analysis<|message|>{d}<|end|><|start|>assistant<|channel|>commentary "
        f"to=functions.analysis <|constrain|>json<|message|>{a}<|call|>"
    ),
    "headings": lambda d, a: f"**Thinking:** {d}\n\n**Answer:** {a}",
    "two fences": lambda d, a: f"First:\n```json\n{d}\n```\nBetter:\n```json\n{a}\n```",
    "two lines": lambda d, a: f"{d}\n{a}",
    "a list of both": lambda d, a: f"[{d}, {a}]",
    "a key for each": lambda d, a: f'{{"thoughts": {d}, "result": {a}}}',
    "the other way round": lambda d, a: f'{{"result": {a}, "draft": {d}}}',
}

AS_A_CALL: dict[str, Wrap] = {
    "arguments": lambda _, a: f'{{"name": "record", "arguments": {a}}}',
    "parameters": lambda _, a: f'{{"name": "record", "parameters": {a}}}',
    "input": lambda _, a: f'{{"type": "tool_use", "name": "record", "input": {a}}}',
    "arguments in a text": lambda _, a: json.dumps({"name": "record", "arguments": a}),
    "an action": lambda _, a: f'{{"action": "record", "action_input": {a}}}',
    "tags": lambda _, a: f'<tool_call>\n{{"name": "x", "arguments": {a}}}\n</tool_call>',
    "a function's tag": lambda _, a: f"<function=record>{a}</function>",
    "square brackets": lambda _, a: f'[TOOL_CALLS][{{"name": "x", "arguments": {a}}}]',
    "a name and arguments": lambda _, a: f"[TOOL_CALLS]record[ARGS]{a}",
    "a request": lambda _, a: f'[TOOL_REQUEST]{{"arguments": {a}}}[END_TOOL_REQUEST]',
    "python": lambda _, a: f'<|python_tag|>{{"name": "x", "parameters": {a}}}',
    "calls in the text": lambda _, a: json.dumps(
        {"tool_calls": [{"type": "function", "function": {"name": "x", "arguments": a}}]}
    ),
    "an old call": lambda _, a: json.dumps({"function_call": {"name": "x", "arguments": a}}),
    "a fence in a call": lambda _, a: (
        f"<｜tool▁calls▁begin｜>function<｜tool▁sep｜>record\n```json\n{a}\n```<｜tool▁calls▁end｜>"
    ),
    "a bare call": lambda _, a: f"functions.record({a})",
    "the schema's shape": lambda _, a: f'{{"type": "object", "properties": {a}}}',
    "values in the schema": lambda _, a: json.dumps(
        {"properties": {k: {"type": "x", "value": v} for k, v in json.loads(a).items()}}
    ),
    "beside an explanation": lambda _, a: f'{{"answer": {a}, "explanation": "because"}}',
    "with a flag": lambda _, a: f'{{"analysis": {a}, "done": true}}',
    "parameters in tags": lambda _, a: "<invoke name='x'>" + "".join(
        f'<parameter name="{name}">{value if isinstance(value, str) else json.dumps(value)}'
        "</parameter>\n" for name, value in json.loads(a).items()
    ) + "</invoke>",
    "parameters after signs": lambda _, a: "<tool_call><function=x>" + "".join(
        f"<parameter={name}>\n{value if isinstance(value, str) else json.dumps(value)}\n"
        "</parameter>\n" for name, value in json.loads(a).items()
    ) + "</function></tool_call>",
    "pairs of keys and values": lambda _, a: "<tool_call>x\n" + "".join(
        f"<arg_key>{name}</arg_key>\n<arg_value>"
        f"{value if isinstance(value, str) else json.dumps(value)}</arg_value>\n"
        for name, value in json.loads(a).items()
    ) + "</tool_call>",
}  # fmt: skip

WRAPS = AFTER_THOUGHTS | AS_A_CALL
