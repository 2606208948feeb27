"""An OpenAI-compatible server as a captioner: vLLM, SGLang, llama.cpp, Ollama, LM Studio, KoboldCpp and their kind."""

from captioner.models.endpoint.captioner import EndpointCaptioner

__all__ = ["EndpointCaptioner"]
