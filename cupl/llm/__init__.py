"""Language models: a request, its responses, and who answers it."""

from cupl.llm.base import LLM, Request, Response, Sampling

__all__ = ["LLM", "Request", "Response", "Sampling"]
