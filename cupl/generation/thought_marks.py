"""The marks that models and chat templates put around thoughts, answers and turns.

Every family of models has its own, and a server that does not know a family leaves them in the
text. What a person could write, such as "Answer:", is a mark only where the text began as a
thought.
"""

from __future__ import annotations

import re

_S = "[_ -]?"
_THOUGHT = (
    rf"(?:\w{{1,9}}:)?(?:think(?:ing)?(?:{_S}(?:process|block|steps?))?|thoughts?|analysis"
    rf"|thought{_S}process|reason(?:ing)?(?:{_S}(?:process|steps?))?|思考(?:过程)?|推理"
    rf"|(?:self{_S})?reflection|scratch{_S}pad|rationale|cot|cot_budget_reflect|plan(?:ning)?"
    rf"|(?:inner|internal){_S}(?:monologue|thoughts?|reasoning)|chain{_S}of{_S}thoughts?"
    "|brainstorm(?:ing)?|deliberation|commentary|critique)"
)
_ANSWER = (
    rf"(?:\w{{1,9}}:)?(?:(?:final{_S})?(?:answer|response|output|description)|final|solution"
    "|conclusion|sentence|result|reply)"
)
_ASKED = "(?:user|human|system|instruction|input|question|tool|developer)"
_REPLY = "(?:assistant|model|response|answer|output|ai|bot)"

_LINE = r"(?:\A\s*|\n)[ \t]{0,9}(?:[\u2600-\u27bf\U0001f000-\U0001faff]\ufe0f?[ \t]?)?"
_COLON = r"[*_]{0,3}[ \t]?[:：][*_]{0,3}"


def _label(names: str, start: str = _LINE) -> str:
    """Words at the start of a line with a colon, as a heading, or alone and bold."""
    return (
        rf"{start}(?:(?:\#{{1,6}}[ \t])?[*_]{{0,3}}(?:{names}){_COLON}"
        rf"|\#{{1,6}}[ \t][*_]{{0,3}}(?:{names})[*_]{{0,3}}[ \t]{{0,9}}\n"
        rf"|[*_]{{2,3}}(?:{names})[*_]{{2,3}}[ \t]{{0,9}}\n)"
    )


_MY_THOUGHTS = (
    "(?:(?:my |the |internal )?(?:thoughts?|thinking|reasoning)(?: process| steps)?"
    "|chain[ -]of[ -]thought|internal monologue|(?:思考|推理)(?:过程)?)"
)
_EXPLAINED = (
    "analysis|explanation|rationale|plan|draft|brainstorm(?:ing)?|step (?:1|one)"
    rf"|step[ -]by[ -]step[^:\n]{{0,30}}|q|{_ASKED}"
)
_MY_ANSWER = (
    "(?:(?:my |the )?(?:final )?(?:answer|response|description|output|sentence|caption)|final"
    "|最终答案|答案|回答|描述)"
)
_HERE = "here(?:'s|’s| is| are)"
_SPEAKER = r"(?:assistant|ai|chatbot|(?-i:GPT4 Correct) assistant)"
_LATER = (
    rf"(?:{_label(f'{_MY_ANSWER}|a')}|[.!?:]\s{_MY_ANSWER}:|(?-i:\bASSISTANT|\bAssistant):"
    r"|(?-i:assistant)[ \t]{0,9}\n)"
)
_MARKS = {
    # A thought, or what was said to the model, begins.
    "open": [
        rf"<{_THOUGHT}(?: [^<>\n]{{0,100}})?>", rf"\[{_THOUGHT}\]", rf"◁{_THOUGHT}▷",
        rf"<[|｜](?:start_|begin[_▁]of[_▁])?{_THOUGHT}(?:_start|_begin)?[|｜]>",
        r"<(?!/)[\w|:.-]{0,12}think(?!\w{0,9}_end>)[\w|:.-]{0,24}>", r"\[start thinking\]",
        r"<(?:monologue|steps)>", r"<ctrl94>(?:thought)?",
        r"<\|channel\|>(?!\s*final)[^<>\n]{0,60}<\|message\|>", r"<\|channel>\s*thought\b",
        r"<unused94>(?:thought)?", r"<\|im_start\|>\s*think\b", r"<details\b[^<>\n]{0,200}>",
        r"\[INST\]", rf"<[|｜](?:hy_)?{_ASKED}(?:_token)?[|｜]>", rf"\[\|{_ASKED}\|\]",
        rf"<[|｜]im_(?:start[|｜]>\s*)?{_ASKED}\b", rf"<role>\s*{_ASKED}\s*</role>",
        rf"<(?:start_of_turn|\|turn|extra_id_1|special_1[01])>\s*{_ASKED}\b",
        rf"<\|(?:start_header_id|header_start|start_of_role)\|>\s*{_ASKED}\b",
        rf"#{{2,3}}\s*{_ASKED}:", rf"\]~b\]\s*{_ASKED}\b",
        r"\A\s*analysis(?-i:(?=[A-Z]))", r"\A\s*Thinking(?:\.\.\.|…)(?!\s*>)",
    ],
    # The same in words.
    "label": [
        _label(_MY_THOUGHTS), rf"{_LINE}{_HERE} my {_MY_THOUGHTS}[^:\n]{{0,30}}:",
        _label("explanation|justification|rationale", r"\n[ \t]{0,9}"),
        r"\A\s*(?:thoughts?|thinking|reasoning)[ \t]*\n",
        r"\A\s*(?:user|system)[ \t]*\n",
        _label(_EXPLAINED, r"\A\s*") + rf"(?=(?s:.){{0,20000}}?{_LATER})",
    ],
    # A thought ends; a template may have put its beginning into the question.
    "close": [
        rf"</{_THOUGHT}>", rf"\[/{_THOUGHT}\]", rf"◁/{_THOUGHT}▷", r"</details>",
        r"</[\w|:.-]{0,12}think[\w|:.-]{0,24}>", r"<think(?:ing)?_end>", r"\[end thinking\]",
        r"</(?:monologue|steps)>", r"<ctrl95>",
        rf"<[|｜](?:/|end_|end[_▁]of[_▁]){_THOUGHT}[|｜]>", rf"<[|｜]{_THOUGHT}_end[|｜]>",
        r"<\|channel\|>\s*final[^<>\n]{0,60}(?:<\|constrain\|>[^<>\n]{0,60})?<\|message\|>",
        r"<channel\|>", r"<unused95>", r"(?-i:assistantfinal)", r"(?:\.{3}|…)\s?done thinking\.?",
    ],
    # The answer begins, if words follow.
    "begin": [
        rf"<{_ANSWER}>", r"<\|START_(?:RESPONSE|TEXT)\|>", r"\[/INST\]", r"<\|content\|>",
        r"(?-i:\[(?:BEGIN )?(?:FINAL )?(?:ANSWER|RESPONSE)\])",
        r"<\|begin_of_(?:solution|answer|response|box)\|>",
        rf"<[|｜](?:hy_)?{_REPLY}[|｜]>", r"<\|CHATBOT_TOKEN\|>", rf"\[\|{_REPLY}\|\]",
        rf"<[|｜]im_(?:start[|｜]>\s*)?{_REPLY}\b(?:[|｜]>{_REPLY}<\|im_middle\|>)?",
        rf"<(?:start_of_turn|\|turn|extra_id_1|special_1[01]|seed:bos)>\s*{_REPLY}\b",
        rf"<\|(?:start|begin)\|>\s*{_REPLY}\b", rf"<role>\s*{_REPLY}\s*</role>",
        rf"<\|(?:start_header_id|header_start|start_of_role)\|>\s*{_REPLY}\s*"
        r"<\|(?:end_header_id|header_end|end_of_role)\|>",
        rf"\n?[ \t]{{0,9}}#{{2,3}}\s*{_REPLY}:", rf"\]~b\]\s*{_REPLY}\b",
        _label("(?:my |the )?final (?:answer|response|description|output)"),
        rf"{_LINE}{_HERE} my (?:final )?(?:response|answer)\b[^:\n]{{0,20}}:",
        r"\n[ \t]{0,9}\[(?:final )?(?:answer|response)\]",
        r"(?:\A\s*|\n)final (?:answer|response|description)[ \t]{0,9}\n",
    ],
    # A turn of the model begins: of its answer if nothing came before, else of another.
    "turn": [
        rf"\A\s*{_SPEAKER}:", r"\A\s*(?-i:model|assistant|bot|ai)[ \t]{0,9}\n",
        r"(?:\n|(?<=[.!?]))[ \t]{0,9}(?-i:assistant|user|model)[ \t]{0,9}(?:\n|\Z)",
    ],
    # The answer begins, if the thought before it was begun in words.
    "answer": [
        _label(f"{_MY_ANSWER}|a"), rf"(?<=[.!?:]\s){_MY_ANSWER}:", rf"{_HERE} my {_MY_ANSWER}:",
        r"(?<!\w)(?-i:ASSISTANT|Assistant):", r"(?<![ \n.!?])(?-i:assistant)[ \t]{0,9}\n",
    ],
    # The answer ends, if words came before.
    "end": [
        rf"</{_ANSWER}>", r"</?s>", r"\[/?(?:BOS|EOS|PAD|UNK|SYSTEM_PROMPT|gMASK)\]", r"<</?SYS>>",
        "</?(?:bos|eos|pad|unk|eot|eod|eop|sop|sep|inst|end|stop|end_of_turn|end_of_text|end_of_utterance"
        "|[be]os_token|seed:[be]os|special_[0-9]{1,3}|extra_id_[0-9]{1,3})>", r"<turn\|>",
        r"<[|｜][^<>|｜\n]{1,40}[|｜]>", r"\[\|[^|\]\n]{1,40}\|\]", r"\[e~\[", r"\]~!?b[\[\]]",
        r"(?-i:\[/?(?:END )?(?:FINAL )?(?:ANSWER|RESPONSE)\])",
        r"<0x[0-9a-f]{2}>", r"<(?:reserved_\d{1,6}|ctrl\d{1,3}|eom|fim_\w{1,12}|longcat_s)>",
        r"</longcat_s>", r"<(?:[|｜/][^<>\n]{0,40})?\Z", r"\s#{2,6}\s*\Z",
        r"\[(?:end(?: of text)?|done|stop|eot)\]\s*\Z",
        # What an interface shows of a thought: how long it took, or its lines as a quotation.
        r"\A\s*[*_]{0,3}(?:thought|reasoned) for (?:a few|[\d.]{1,6}) (?:s|seconds?|minutes?)\b"
        r"[^\n]{0,40}\n",
        r"\A\s*(?:[*_]{0,3}Thinking(?:\.{3}|…)[*_]{0,3}\s*)?(?=>)"
        r"(?:[ \t]*>[^\n]*\n|[ \t]*\n)++(?=[^>\s])",
    ],
}  # fmt: skip
MARK = re.compile(
    "|".join(f"(?P<{kind}>{'|'.join(marks)})" for kind, marks in _MARKS.items()),
    re.IGNORECASE,
)
"""Any of them; the name of its group is what it does."""
MAY_BE_MARKED = re.compile(
    r"[<>＜⟨〈《‹【\[\]◁{`]|&lt;|\\u003c|##|\*\*|thought|thinking|reasoning|analysis|assistant"
    r"|rationale|[:：]\**\s|\A\s*\w{2,9}[ \t]{0,9}\n|\n\w{2,9}[ \t]{0,9}(?:\n|\Z)"
    r"|\A\W{0,9}[\w ]{1,20}[:：]|\A\s*(?:final|reasoned)",
    re.IGNORECASE,
)
"""Whether it is worth the time to look for marks."""
_ESCAPED = re.compile(
    r"(?:&lt;|&\#60;|\\u003c)(\\?/?[\w|｜▁: -]{1,40})(?:&gt;|&\#62;|\\u003e)", re.IGNORECASE
)
_TAG = re.compile(
    rf"(?:[<＜⟨〈《‹【]{{1,2}}\s?(\\?/)?|{{(/)?)\s?({_THOUGHT}|{_ANSWER})\s?(/)?(?:[>＞⟩〉》›】]{{1,2}}|}})",
    re.IGNORECASE,
)
_BLOCK = re.compile(
    rf"(?:\A\s*|\n)```[ \t]{{0,9}}{_THOUGHT}[ \t]{{0,9}}\n(.*?)(?:\n```(?:\n|\Z)|\Z)",
    re.IGNORECASE | re.DOTALL,
)


def with_plain_tags(text: str) -> str:
    """The text with the tags of thoughts and answers as HTML has them, however they were spelt."""
    text = _BLOCK.sub(r"<think>\1</think>", _ESCAPED.sub(r"<\1>", text))
    return _TAG.sub(
        lambda tag: "" if tag[4] else f"<{'/' if tag[1] or tag[2] else ''}{tag[3]}>", text
    )
