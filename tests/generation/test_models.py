"""What models print around an answer, by the name of a model that does."""

import pytest

from cupl.generation.filters import DEFAULT_FILTERS, Answer, apply_filters, why_unusable
from cupl.generation.thinking import without_thinking
from cupl.llm.protocol import Response

SAID = "A frog is a small green animal."
HM = "The user wants one sentence.\nIt has fur. Answer: no, not that."
LINE = "The user wants one sentence. It has fur."

MODELS = {
    "qwen3": f"<think>\n{HM}\n</think>\n\n{SAID}",
    "qwen3, switched off": f"<think>\n\n</think>\n\n{SAID}",
    "qwen3-thinking": f"{HM}\n</think>\n\n{SAID}",
    "qwen3.5, no tags": f"Thinking Process:\n\n1.  **Analyze:** {LINE}\n</think>\n\n{SAID}",
    "qwen3, decoded without template": f"</think>\n\n{SAID}<|im_end|>\n<|endoftext|>",
    "qwen2.5 base": f"{SAID}<|endoftext|>Human: Describe a newt.",
    "longcat": f"<longcat_think>{HM}</longcat_think>{SAID}</longcat_s>",
    "fast": f"<think_fast>{HM}</think_fast>\n{SAID}",
    "open source": f"<think:opensource>{HM}</think:opensource>{SAID}",
    "with a bar": f"<ifm|think>{HM}</ifm|think>{SAID}<eom>",
    "begin and end": f"<think_start>{HM}<think_end>{SAID}<reserved_106>",
    "in brackets": f"[Start thinking]\n{HM}\n[End thinking]\n\n{SAID}",
    "monologue": f"<monologue>{HM}</monologue>{SAID}",
    "control": f"<ctrl94>thought\n{HM}<ctrl95>{SAID}<ctrl99>",
    "deepseek-r1": f"<think>{HM}</think>\n\n{SAID}<｜end▁of▁sentence｜>",
    "deepseek-r1, two begins": f"<think>\n<think>{HM}</think>\n\n{SAID}",
    "deepseek-v3": f"<｜Assistant｜>{SAID}<｜end▁of▁sentence｜>",
    "deepseek, ascii": f"<|Assistant|>{SAID}<|end_of_sentence|>",
    "r1-zero": f"<think> {HM} </think> <answer> {SAID} </answer>",
    "magistral": f"[THINK]{HM}[/THINK]{SAID}</s>",
    "mistral": f"[INST] Describe a frog: [/INST]{SAID}</s>",
    "kimi-vl-thinking": f"◁think▷{HM}◁/think▷{SAID}",
    "kimi-k2": f"<|im_assistant|>assistant<|im_middle|>{SAID}<|im_end|>",
    "gpt-oss": f"<|channel|>analysis<|message|>{HM}<|end|><|start|>assistant<|channel|>final"
    f"<|message|>{SAID}<|return|>",
    "gpt-oss, constrained": f"<|channel|>analysis<|message|>{HM}<|end|><|start|>assistant"
    f"<|channel|>final <|constrain|>text<|message|>{SAID}<|return|>",
    "gpt-oss, final alone": f"<|channel|>final<|message|>{SAID}<|return|>",
    "gpt-oss, without marks": f"analysis{LINE}assistantfinal{SAID}",
    "gpt-oss, commentary": f"<|channel|>commentary<|message|>{HM}<|end|><|start|>assistant"
    f"<|channel|>final<|message|>{SAID}<|end|>",
    "gemma-2": f"<start_of_turn>model\n{SAID}<end_of_turn>\n<eos>",
    "gemma-2, decoded": f"model\n{SAID}",
    "gemma-4": f"<|channel>thought\n{HM}<channel|>{SAID}<turn|>",
    "medgemma": f"<unused94>thought\n{HM}<unused95>{SAID}<end_of_turn>",
    "command-a-reasoning": f"<|START_THINKING|>{HM}<|END_THINKING|><|START_RESPONSE|>{SAID}"
    "<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",
    "command-r": f"<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{SAID}<|END_OF_TURN_TOKEN|>",
    "command-r, with its prompt": "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>Describe a frog:"
    f"<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{SAID}<|END_OF_TURN_TOKEN|>",
    "phi-4-reasoning": f"<think>{HM}</think>\n{SAID}<|im_end|>",
    "phi-3": f"<|assistant|>\n{SAID}<|end|>",
    "phi-3, next turn": f"{SAID}<|end|>\n<|user|>\nA newt?<|end|>",
    "granite-3.2": f"Here is my thought process:\n\n{HM}\n\nHere is my response:\n\n{SAID}",
    "granite-3.2, one line": f"Here's my thought process: {LINE} Here's my response: {SAID}",
    "granite-3.3": f"<think>{HM}</think><response>{SAID}</response>",
    "granite-3, template": f"<|start_of_role|>assistant<|end_of_role|>{SAID}<|end_of_text|>",
    "granite-3, with its prompt": "<|start_of_role|>user<|end_of_role|>Describe a frog:"
    f"<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>{SAID}<|end_of_text|>",
    "nemotron-nano": f"<SPECIAL_11>Assistant\n<think>\n{HM}</think>\n\n{SAID}\n<SPECIAL_12>",
    "nemotron-4": f"<extra_id_1>Assistant\n{SAID}\n<extra_id_1>",
    "exaone-deep": f"<thought>\n{HM}\n</thought>\n\n{SAID}[|endofturn|]",
    "exaone-3": f"[|assistant|]{SAID}[|endofturn|]\n[|user|]",
    "glm-4.5": f"<think>{HM}</think>\n{SAID}<|user|>",
    "glm-4.1v": f"<think>{HM}</think><answer>{SAID}</answer>",
    "glm-4.5v": f"<think>{HM}</think>The answer is <|begin_of_box|>{SAID}<|end_of_box|>",
    "chatglm": f"[gMASK]<sop><|assistant|>\n{SAID}",
    "hunyuan-a13b": f"<think>\n{HM}\n</think>\n<answer>\n{SAID}\n</answer>",
    "hunyuan, template": f"<|hy_Assistant|>{SAID}<|hy_place▁holder▁no▁2|>",
    "seed-oss": f"<seed:think>{HM}<seed:cot_budget_reflect>{LINE}</seed:cot_budget_reflect>"
    f"</seed:think>{SAID}<seed:eos>",
    "seed-oss, begin": f"<seed:bos>assistant\n{SAID}<seed:eos>",
    "apriel": f"Here are my reasoning steps:\n{HM}\n[BEGIN FINAL RESPONSE]\n{SAID}\n"
    "[END FINAL RESPONSE]\n<|end|>",
    "apriel, end alone": f"{SAID}\n[END FINAL RESPONSE]",
    "ernie-4.5": f"<think>\n{HM}\n</think>\n\n<response>\n{SAID}\n</response>\n",
    "minimax-m1": f"<think>\n{HM}\n</think>\n\n{SAID}[e~[",
    "minimax-m2": f"]~b]ai\n<think>\n{HM}\n</think>\n\n{SAID}[e~[",
    "minimax-m3": f"<mm:think>{HM}</mm:think>{SAID}",
    "lfm2": f"<|startoftext|><|im_start|>assistant\n{SAID}<|im_end|>",
    "smollm3": f"<think>\n{HM}\n</think>\n{SAID}<|im_end|>",
    "olmo-3-think": f"<think>{HM}</think>{SAID}<|endoftext|>",
    "olmo-2": f"<|assistant|>\n{SAID}<|endoftext|>",
    "llama-3": f"<|start_header_id|>assistant<|end_header_id|>\n\n{SAID}<|eot_id|>",
    "llama-3, decoded": f"assistant\n\n{SAID}",
    "llama-3, with its prompt": f"user\n\nDescribe a frog:assistant\n\n{SAID}",
    "llama-4": f"<|header_start|>assistant<|header_end|>\n\n{SAID}<|eot|>",
    "llama-2": f"<s>[INST] <<SYS>>\nBe short.\n<</SYS>>\n\nA frog? [/INST] {SAID} </s>",
    "vicuna": f"ASSISTANT: {SAID}</s>",
    "vicuna, with its prompt": f"USER: Describe a frog: ASSISTANT: {SAID}</s>",
    "llava": f"USER: <image>\nDescribe a frog:\nASSISTANT: {SAID}",
    "alpaca": f"### Instruction:\nDescribe a frog:\n\n### Response:\n{SAID}",
    "zephyr": f"<|user|>\nDescribe a frog:</s>\n<|assistant|>\n{SAID}</s>",
    "internlm": f"<|im_start|>assistant\n{SAID}<|im_end|>",
    "openchat": f"GPT4 Correct Assistant: {SAID}<|end_of_turn|>",
    "s1": f"<|im_start|>think\n{HM}\n<|im_start|>answer\n{SAID}",
    "openthinker": f"<|begin_of_thought|>{HM}<|end_of_thought|>\n\n<|begin_of_solution|>{SAID}"
    "<|end_of_solution|>",
    "marco-o1": f"<Thought>\n{HM}\n</Thought>\n<Output>\n{SAID}\n</Output>",
    "reflection": f"<thinking>{HM}</thinking><reflection>{LINE}</reflection>"
    f"<output>{SAID}</output>",
    "llava-cot": f"<SUMMARY>{LINE}</SUMMARY>\n<CAPTION>{LINE}</CAPTION>\n<REASONING>{HM}"
    f"</REASONING>\n<CONCLUSION>{SAID}</CONCLUSION>",
    "solar-open": f"<|think|>{HM}<|end|><|begin|>assistant<|content|>{SAID}<|end|>",
    "ling": f"<role>ASSISTANT</role>{SAID}<|role_end|>",
    "reka": f"<reasoning>{HM}</reasoning> {SAID} <sep>",
    "falcon": f"{SAID}\nUser: and a newt?",
    "ollama": f"Thinking...\n{HM}\n...done thinking.\n\n{SAID}",
    "open-webui": '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 '
    f"seconds</summary>\n> {LINE}\n</details>\n{SAID}",
    "poe": f"*Thinking...*\n\n> {LINE}\n>\n> {LINE}\n\n{SAID}",
    "poe, without a line": f"> {LINE}\n> {LINE}\n\n{SAID}",
    "chatgpt, copied": f"Thought for 12 seconds\n\n{SAID}",
    "llama.cpp": f"{SAID} [end of text]",
    "byte tokens": f"{SAID}<0x0A>{SAID}",
    "gemini, thinking": f"```thinking\n{HM}\n```\n{SAID}",
    "react": f"Thought: {LINE}\nAction: none\nThought: I know it.\nFinal Answer: {SAID}",
}

SPELLINGS = {
    "thought, answer": f"Thought: {LINE}\nAnswer: {SAID}",
    "on one line": f"Thought: {LINE} Answer: {SAID}",
    "reasoning, final answer": f"Reasoning: {LINE}\n\nFinal answer: {SAID}",
    "bold": f"**Reasoning:** {LINE}\n\n**Final Answer:** {SAID}",
    "headings": f"### Thought process\n{LINE}\n\n### Final answer\n{SAID}",
    "bold lines": f"**Thinking**\n{LINE}\n\n**Answer**\n{SAID}",
    "analysis": f"Analysis: {LINE}\n\nDescription: {SAID}",
    "reasons afterwards": f"Answer: {SAID}\nReasoning: {LINE}",
    "an explanation afterwards": f"{SAID}\n\n**Explanation:** {LINE}",
    "no reasoning before": f"{LINE}\n\nFinal answer: {SAID}",
    "case": f"<Think>{HM}</THINK>{SAID}",
    "blanks": f"< think >{HM}</ think >{SAID}",
    "full width": f"＜think＞{HM}＜/think＞{SAID}",
    "entities": f"&lt;think&gt;{HM}&lt;/think&gt;{SAID}",
    "escapes": f"\\u003cthink\\u003e{HM}\\u003c/think\\u003e{SAID}",
    "an escaped slash": f"<think>{HM}<\\/think>{SAID}",
    "other brackets": f"【think】{HM}【/think】{SAID}",
    "mathematical brackets": f"⟨thinking⟩{HM}⟨/thinking⟩{SAID}",
    "bars": f"<|think|>{HM}<|/think|>{SAID}",
    "an empty thought": f"<think/>{SAID}",
    "hyphens": f"<chain-of-thought>{HM}</chain-of-thought>{SAID}",
    "two blocks": f"<think>{HM}</think>\n<think>{HM}</think>{SAID}",
    "a block in another": f"<thinking>{HM}<reflection>{HM}</reflection></thinking>{SAID}",
    "a block behind": f"{SAID}\n<think>{HM}",
    "capitals in brackets": f"[REASONING]{HM}[/REASONING][ANSWER]{SAID}[/ANSWER]",
    "double brackets": f"<<thinking>>{HM}<</thinking>>{SAID}",
    "braces": f"{{think}}{HM}{{/think}}{SAID}",
    "Chinese": f"<思考>{HM}</思考>{SAID}",
    "Chinese in words": f"思考：{LINE}\n\n回答：{SAID}",
    "steps": f"Step 1: {LINE}\nStep 2: {LINE}\nAnswer: {SAID}",
    "a plan": f"Plan: {LINE}\n\nDescription: {SAID}",
    "a question": f"Q: What is a frog?\nA: {SAID}",
    "signs": f"🤔 Thinking: {LINE}\n\n✅ Answer: {SAID}",
    "one word": f"Thinking…\n{LINE}\n…done thinking.\n{SAID}",
    "brackets at lines": f"[Thinking] {LINE}\n[Answer] {SAID}",
    "a heading alone": f"Final Answer\n{SAID}",
    "an end cut off": f"{SAID}<|im_en",
    "a tag cut off": f"{SAID}</",
    "signs at the end": f"{SAID}\n###",
    "a note": f"{SAID}\n\nNote: {LINE}",
    "other names": f"<planning>{HM}</planning><final_answer>{SAID}</final_answer>",
}


def through_the_filters(text: str) -> str | None:
    answer = apply_filters(Answer(text, "Describe a frog:"), DEFAULT_FILTERS.values())
    return answer.text if isinstance(answer, Answer) else None


@pytest.mark.parametrize("text", [*MODELS.values(), *SPELLINGS.values()], ids=[*MODELS, *SPELLINGS])
def test_of_what_a_model_prints_the_answer_is_kept(text: str) -> None:
    assert through_the_filters(text) == SAID
    assert why_unusable(Response(text), "Describe a frog:") is None


@pytest.mark.parametrize(
    "text",
    [
        f"<Think>{LINE}",
        f"&lt;think&gt;{LINE}",
        f"Here is my thought process:\n{LINE}",
        f"Here are my reasoning steps:\n{LINE}",
        f"Thought: {LINE}",
        f"**Reasoning:** {LINE}\n**Answer:**",
        f"thought\n{LINE}",
        f"<|channel|>analysis<|message|>{LINE}",
        f"<think>{LINE}</think><think>{LINE}</think>",
        f"<think>{LINE}\nAnswer: a frog? No: {LINE}",
        f"{LINE}</think>",
    ],
)
def test_where_a_model_only_thinks_there_is_no_answer(text: str) -> None:
    assert not without_thinking(text).strip()
    assert why_unusable(Response(text)) == "thinking alone"


@pytest.mark.parametrize(
    "text",
    [
        "Analysis: a chart of a frog's skin in a laboratory.",
        "An analysis of its skin gives the answer: it is green.",
        "A quiz show has a host and a person who says the final answer: it is lit in blue.",
        "Its thought process: none, it sits still on a leaf.",
        "The Thinker is a bronze man in thought, his chin on his hand.",
        "A model assistant stands beside a user.",
        "An assistant hands over a tool.",
        "A model of a train, with a human at its side.",
        "Model: a small train of tin with red wheels.",
        "A sign reads 'Answer' or 'Thinking...' in white letters.",
        "A user manual shows an instruction and a question.",
        "Final Fantasy is a game with tall, bright heroes.",
        "Thoughts and prayers are written on small cards.",
        "Step 1: a stair of stone, the lowest of three.",
        "Plan: a drawing of a house seen from above.",
        "The letter Q: a round letter with a tail.",
        "A note: it is written on yellow paper.",
        "The finish line says 'END' in red letters [stop].",
        "Human: a tall animal that walks on two legs.",
        "A chat window with a user and an assistant: it has grey bubbles.",
        "Explanation boards stand beside each cage.",
        "The page shows x < 3 and y > 2 in black ink.",
    ],
)
def test_words_of_a_description_are_no_marks(text: str) -> None:
    assert without_thinking(text) == text
    assert through_the_filters(text) == text


def test_each_line_of_a_description_stays() -> None:
    lines = f"{SAID}\nColour: green.\nHabitat: a pond.\nDescription: small."
    assert without_thinking(lines) == lines
