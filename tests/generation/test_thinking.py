import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupl.generation.filters import DEFAULT_FILTERS, Answer, apply_filters, why_unusable
from cupl.generation.thinking import without_thinking
from cupl.llm.protocol import Response

SAID = "A frog is a small green animal."
HM = "The user wants one sentence. It has fur."

BLOCKS = [
    f"<think>{HM}</think>{SAID}",
    f"[THINK]{HM}[/THINK]{SAID}",
    f"◁think▷{HM}◁/think▷{SAID}",
    f"<thought>{HM}</thought>\n{SAID}",
    f'<reasoning effort="low">{HM}</reasoning><answer>{SAID}</answer>',
    f"<seed:think>{HM}</seed:think>{SAID}",
    f"<scratchpad>{HM}</scratchpad> {SAID}",
    f"<|START_THINKING|>{HM}<|END_THINKING|><|START_RESPONSE|>{SAID}<|END_RESPONSE|>",
    f"<|begin_of_thought|>{HM}<|end_of_thought|><|begin_of_solution|>{SAID}<|end_of_solution|>",
    f"<|channel|>analysis<|message|>{HM}<|end|><|start|>assistant<|channel|>final<|message|>{SAID}"
    "<|return|>",
    f"analysis{HM}assistantfinal{SAID}",
    f"<|channel>thought\n{HM}<channel|>{SAID}<turn|>",
    f"<unused94>thought\n{HM}<unused95>{SAID}",
    f"Thinking...\n{HM}\n...done thinking.\n\n{SAID}",
    f"{HM}</think>{SAID}",
    f"<think>a <think>{HM}</think> b</think>{SAID}",
    f"{SAID}<think>{HM}</think>",
]
TEMPLATES = [
    f"<s>{SAID}</s>",
    f"<bos>{SAID}<eos>",
    f"<|begin_of_text|><|start_header_id|>assistant<|end_header_id|>\n\n{SAID}<|eot_id|>",
    f"<｜begin▁of▁sentence｜>{SAID}<｜end▁of▁sentence｜>",
    f"[INST] Describe a frog: [/INST] {SAID}",
    f"{SAID} [/INST]",
    f"{SAID}[/INST]</s>",
    f"{SAID}<|im_end|>\n<|im_start|>user\nWhat is a newt?",
    f"{SAID}<end_of_turn>\n<start_of_turn>model\n{HM}",
    f"{SAID}<|endoftext|>Human: and a newt?",
    f"{SAID}### Instruction:\n{HM}",
    f"### Instruction:\nDescribe a frog.\n\n### Response:\n{SAID}",
    f"<|assistant|>{SAID}<|user|>{HM}",
]


@pytest.mark.parametrize("text", BLOCKS + TEMPLATES)
def test_the_answer_is_what_was_not_thought(text: str) -> None:
    assert without_thinking(text).strip() == SAID
    answer = apply_filters(Answer(text, "Describe a frog:"), DEFAULT_FILTERS.values())
    assert isinstance(answer, Answer)
    assert answer.text == SAID
    assert why_unusable(Response(text)) is None


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{HM}",
        f"[THINK]{HM}",
        f"analysis{HM}",
        f"Thinking...\n{HM}",
        f"<thought>{HM}</thought>",
    ],
)
def test_a_thought_alone_is_no_answer(text: str) -> None:
    assert not without_thinking(text).strip()
    assert why_unusable(Response(text)) == "thinking alone"
    assert why_unusable(Response(text, "length")) == "cut off"


@pytest.mark.parametrize(
    "text",
    [
        "A thinking man's statue sits in thought [bronze], 3 < 4.",
        "Analysis of frogs: the analysis shows a green animal.",
        "The final whistle; an assistant finalizes it.",
        "Thinking about a frog, one sees a green animal.",
        "A # of spots ## mark it.",
    ],
)
def test_words_that_look_like_marks_stay(text: str) -> None:
    assert without_thinking(text) == text


MARKS = ["<think>", "</think>", "[INST]", "[/INST]", "<s>", "</s>", "<|im_end|>", "<answer>", "<|"]


@given(st.lists(st.sampled_from([*MARKS, "a frog", " ", "\n"]), max_size=30).map("".join))
def test_no_mark_that_opened_a_thought_is_left(text: str) -> None:
    left = without_thinking(text)
    assert "<think>" not in left
    assert "[INST]" not in left
