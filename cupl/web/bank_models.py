"""The language model that the app may ask: all of it settled where the server is started."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LanguageModel:
    """What the command line says of it; a page only names a model.

    Attributes:
        name: the model that is proposed; None for the embedded one, or else the usual one.
        base_url: the server; None for ``$OPENAI_BASE_URL`` or else OpenAI itself.
        api_key_env: the environment variable that holds the server's key.
        price_in: money for a million tokens of questions.
        price_out: likewise of answers.
        max_requests: most requests of this server's life.
        max_tokens: most tokens, likewise.

    """

    name: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    price_in: float | None = None
    price_out: float | None = None
    max_requests: int | None = None
    max_tokens: int | None = None
