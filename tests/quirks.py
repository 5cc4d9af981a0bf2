"""How servers that speak OpenAI's protocol differ from it, by their names.

The spellings are those of the servers; tests/faults.py answers with them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fault_replies import Post, Reply, models_reply

KEY = "key-0123456789abcdef"
"""What the servers that want a key take."""
MODEL = "m-1"
"""The one model they have."""
THOUGHT = "The user wants one sentence. It has fur. Let me think."


def _json(status: int, body: Any, **headers: str) -> Reply:
    return Reply(status, json.dumps(body).encode(), headers)


def _text(status: int, text: str, kind: str = "text/plain") -> Reply:
    return Reply(status, text.encode(), {"Content-Type": kind})


def _openai(status: int, message: str, code: object = None, **more: object) -> Reply:
    """An error as OpenAI writes it; most write it so."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return _json(status, {"error": error | more})


def _google(status: int, message: str, kind: str, *details: object) -> Reply:
    error = {"code": status, "message": message, "status": kind, "details": details}
    return _json(status, [{"error": error}])


def _page(status: int, title: str) -> Reply:
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body></body></html>"
    return _text(status, page, "text/html")


@dataclass(frozen=True)
class Quirks:
    """What a server does in its own way.

    Args:
        bases: paths below which it gives completions.
        nowhere: its answer elsewhere, to a method and a path.
        no_model: its answer to a model that it does not have; None where any name will do.
        no_key: its answer without the right key; None where it wants none.
        limited: its answer where requests come too fast; it asks to wait for a moment.
        most: the most answers to one request,
        too_many: what it says to who wants more; None where it gives fewer without a word.
        refused: names of settings that it turns down, and its answer.
        needed: settings without which it answers so.
        thinking: what it puts around its thoughts in front of the text, or the field for them.
        finish: its word for a text that is whole.
        failed: its word for a text that it could not finish.
        streams: it sends events unless told not to.
        padded: it sends blank lines before the answer.

    """

    bases: tuple[str, ...] = ("/v1",)
    nowhere: Callable[[str, str], Reply] = lambda *_: _json(404, {"detail": "Not Found"})
    no_model: Reply | None = None
    no_key: Reply | None = None
    limited: Reply = field(default_factory=lambda: _openai(429, "Too many requests"))
    most: int = 128
    too_many: Reply | None = None
    refused: dict[str, Reply] = field(default_factory=dict)
    needed: dict[str, tuple[object, Reply]] = field(default_factory=dict)
    thinking: str | None = None
    finish: str = "stop"
    failed: str = "error"
    streams: bool = False
    padded: bool = False

    def turn_down(self, method: str, target: str, headers: dict[str, str]) -> Reply | None:
        """The answer to a request that it does not look into, else None."""
        path, _, query = target.partition("?")
        base = next((base for base in self.bases if path.startswith(f"{base}/")), None)
        resource = path.removeprefix(base or "")
        deployed = "/deployments/" in (base or "") and "api-version=" not in query
        if base is None or resource not in _RESOURCES.get(method, ()) or deployed:
            return self.nowhere(method, path)
        # Where Azure wants to be told a version, a bearer has to be a token of its login.
        bearer = "" if "/deployments/" in base else headers.get("authorization", "")
        if self.no_key and KEY not in (bearer.removeprefix("Bearer "), headers.get("api-key")):
            return self.no_key
        return models_reply(MODEL) if method == "GET" else None

    def refuse(self, post: Post) -> Reply | None:
        """The answer to a request that asks for what it does not have, else None."""
        if self.no_model and post.body.get("model") != MODEL:
            return self.no_model
        if self.too_many and post.n > self.most:
            return self.too_many
        for name, reply in self.refused.items():
            if name in post.body:
                return reply
        for name, (value, reply) in self.needed.items():
            if post.body.get(name) != value:
                return reply
        return None

    def answers_to(self, post: Post) -> int:
        """How many a request gets."""
        return 0 if self.refuse(post) else min(post.n, self.most)

    def dress(self, good: Reply, post: Post) -> Reply:
        """A completion in its own way."""
        body = json.loads(good.body)
        body["choices"] = body["choices"][: self.most]
        for choice in body["choices"]:
            choice["finish_reason"] = self.finish
            if self.thinking and "message" in choice:
                self._think(choice["message"])
        if self.streams and post.body.get("stream") is not False:
            return _events(body)
        data = (b"\n" * 20 if self.padded else b"") + json.dumps(body).encode()
        return replace(good, body=data)

    def fail(self, failed: Reply) -> Reply:
        """A completion that it could not finish in its own words."""
        body = json.loads(failed.body)
        for choice in body["choices"]:
            choice["finish_reason"] = self.failed
            if self.failed == "error":
                choice["error"] = {"code": 502, "message": "Upstream error"}
        return replace(failed, body=json.dumps(body).encode())

    def _think(self, message: dict[str, Any]) -> None:
        before, marked, after = (self.thinking or "").partition("@@")
        if marked:
            message["content"] = f"{before}{THOUGHT}{after}{message['content']}"
        else:
            message[before] = THOUGHT


_RESOURCES = {"POST": ("/chat/completions", "/completions"), "GET": ("/models",)}


def _events(body: dict[str, Any]) -> Reply:
    """The answers word by word, one after the other."""
    pieces: list[dict[str, Any]] = []
    for choice in body["choices"]:
        words = choice["message"]["content"].split(" ")
        for number, word in enumerate(words):
            delta = {"content": word if number == 0 else f" {word}"}
            pieces.append({"index": choice["index"], "delta": delta, "finish_reason": None})
        end = {"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]}
        pieces.append(end)
    head = {"id": "x", "object": "chat.completion.chunk", "model": body["model"]}
    lines = [f"data: {json.dumps(head | {'choices': [piece]})}\n\n" for piece in pieces]
    return _text(200, ": PROCESSING\n\n" + "".join(lines) + "data: [DONE]\n\n", "text/event-stream")


QUIRKS: dict[str, Quirks] = {
    "azure": Quirks(
        bases=("/openai/v1", f"/openai/deployments/{MODEL}"),
        nowhere=lambda *_: _json(404, {"error": {"code": "404", "message": "Resource not found"}}),
        no_model=_json(404, {"error": {
            "code": "DeploymentNotFound",
            "message": "The API deployment for this resource does not exist. If you created the "
            "deployment within the last 5 minutes, please wait a moment and try again."}}),
        no_key=_json(401, {"error": {
            "code": "401", "message": "Access denied due to invalid subscription key or wrong API "
            "endpoint. Make sure to provide a valid key for an active subscription."}}),
        limited=_json(429, {"error": {"code": "429", "message": "Requests have exceeded call rate "
            "limit of your tier. Please retry after 0.01 seconds."}}),
        refused={"max_tokens": _openai(
            400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.", "unsupported_parameter", param="max_tokens")},
    ),
    "deepseek": Quirks(
        bases=("/v1", ""),
        nowhere=lambda *_: _text(404, ""),
        no_model=_openai(400, "Model Not Exist", "invalid_request_error"),
        no_key=_openai(401, "Authentication Fails, Your api key: ****cdef is invalid",
            "invalid_request_error", type="authentication_error"),
        most=1,
        too_many=_openai(400, "Invalid n value (currently only n = 1 is supported)",
            "invalid_request_error"),
        thinking="reasoning_content",
        failed="insufficient_system_resource",
        padded=True,
    ),
    "gemini": Quirks(
        bases=("/v1beta/openai",),
        nowhere=lambda *_: _page(404, "Error 404 (Not Found)!!1"),
        no_model=_google(404, "models/x is not found for API version v1main, or is not supported "
            "for generateContent. Call ListModels to see the list of available models.",
            "NOT_FOUND"),
        no_key=_google(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT",
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}),
        limited=_google(429, "You exceeded your current quota, please check your plan and billing "
            "details. Please retry in 0.01s.", "RESOURCE_EXHAUSTED",
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.01s"}),
        most=1,
        too_many=_google(400, "Only one candidate can be specified", "INVALID_ARGUMENT"),
        thinking="<thought>@@</thought>",
    ),
    "openrouter": Quirks(
        bases=("/api/v1",),
        nowhere=lambda *_: _page(200, "OpenRouter"),
        no_model=_json(400, {"error": {"message": "x is not a valid model ID", "code": 400},
            "user_id": "u"}),
        no_key=_json(401, {"error": {"message": "No auth credentials found", "code": 401}}),
        limited=_json(200, {"id": None, "choices": None, "model": None, "usage": None, "error": {
            "message": "Provider returned error", "code": 429,
            "metadata": {"raw": "try again in 0.01s", "provider_name": "X"}}}),
        most=1,
        thinking="reasoning",
        padded=True,
    ),
    "lmstudio": Quirks(
        nowhere=lambda verb, path: _json(
            200, {"error": f"Unexpected endpoint or method. ({verb} {path})"}),
        no_model=_openai(404, "No models loaded. Please load a model in the developer page or use "
            "the 'lms load' command.", "model_not_found", param="model"),
        most=1,
        thinking="<think>@@</think>\n\n",
    ),
    "ollama": Quirks(
        nowhere=lambda *_: _text(404, "404 page not found"),
        no_model=_openai(404, 'model "x" not found, try pulling it first', type="api_error"),
        most=1,
        thinking="Thinking...\n@@\n...done thinking.\n\n",
    ),
    "llamacpp": Quirks(
        bases=("/v1", ""),
        nowhere=lambda *_: _json(404, {"error": {
            "code": 404, "message": "File Not Found", "type": "not_found_error"}}),
        no_key=_json(401, {"error": {
            "code": 401, "message": "Invalid API Key", "type": "authentication_error"}}),
        limited=_json(503, {"error": {
            "code": 503, "message": "Loading model", "type": "unavailable_error"}}),
        most=4,
        too_many=_json(400, {"error": {"code": 400, "type": "invalid_request_error", "message":
            "n_cmpl cannot be greater than the number of slots, please increase -np"}}),
        thinking="[THINK]@@[/THINK]",
    ),
    "vllm": Quirks(
        no_model=_openai(404, "The model `x` does not exist.", 404, type="NotFoundError"),
        no_key=_json(401, {"error": "Unauthorized"}),
        thinking="reasoning_content",
        failed="abort",
    ),
    "dashscope": Quirks(
        bases=("/compatible-mode/v1",),
        nowhere=lambda *_: _text(404, ""),
        no_model=_openai(404, "The model `x` does not exist or you do not have access to it.",
            "model_not_found"),
        no_key=_openai(401, "Incorrect API key provided.", "invalid_api_key"),
        most=4,
        too_many=_openai(400, "<400> InternalError.Algo.InvalidParameter: Range of n should be "
            "[1, 4]", "invalid_parameter_error"),
        needed={"enable_thinking": (False, _openai(
            400, "parameter.enable_thinking must be set to false for non-streaming calls",
            "invalid_parameter_error"))},
    ),
    "groq": Quirks(
        bases=("/openai/v1",),
        nowhere=lambda verb, path: _openai(
            404, f"Unknown request URL: {verb} {path}. Please check the URL for typos.",
            "unknown_url"),
        no_model=_openai(404, "The model `x` does not exist or you do not have access to it.",
            "model_not_found"),
        no_key=_openai(401, "Invalid API Key", "invalid_api_key"),
        limited=_openai(429, "Rate limit reached for model. Please try again in 10ms.",
            "rate_limit_exceeded"),
        most=1,
        too_many=_openai(400, "'n' : number must be at most 1"),
    ),
    "tgi": Quirks(
        nowhere=lambda *_: _text(404, ""),
        limited=_json(429, {"error": "Model is overloaded", "error_type": "overloaded"}),
        most=1,
        finish="eos_token",
        streams=True,
    ),
    "litellm": Quirks(
        bases=("/v1", ""),
        no_model=_openai(400, "/chat/completions: Invalid model name passed in model=x. Call "
            "`/v1/models` to view available models for your key.", "400", param="model"),
        no_key=_openai(401, "Authentication Error, No api key passed in.", "401",
            type="auth_error", param="None"),
        most=1,
        too_many=_openai(400, "litellm.UnsupportedParamsError: anthropic does not support "
            "parameters: ['n'], for model=x. To drop these, set `litellm.drop_params=True`",
            "400"),
    ),
}  # fmt: skip
"""The servers; each has what README and issues of it show."""
