"""What is assumed of a model's tokenizer before its upstream has counted anything.

Tokens per weighted byte (``basis.py``), by how the model's name begins. Tokenizers of some 100,000 to 260,000 tokens
are much alike over code and English (Llama 3.1's was measured at 0.26); those of 32,000 need a quarter more (Llama
2's was measured at 0.33). Of Claude's nobody outside has the tokenizer; its counts run above OpenAI's. All are wrong
by some 10 % at first, and learned from the first answers on.
"""

LARGE, SMALL, CLAUDE, UNKNOWN = 0.26, 0.33, 0.31, 0.27
FAMILIES = (
    ("claude", CLAUDE),
    ("gpt", LARGE),
    ("o1", LARGE),
    ("o3", LARGE),
    ("o4", LARGE),
    ("gemini", LARGE),
    ("grok", LARGE),
    ("llama3", LARGE),
    ("qwen", LARGE),
    ("deepseek-coder:", SMALL),
    ("deepseek", LARGE),
    ("codellama", SMALL),
    ("llama2", SMALL),
    ("mistral", SMALL),
    ("mixtral", SMALL),
    ("phi3", SMALL),
)


def ratio_of(model: str) -> float:
    """Tokens per weighted byte, as far as its name tells: of what stands behind a last slash."""
    name = model.rpartition("/")[2].lower()
    return next((ratio for start, ratio in FAMILIES if name.startswith(start)), UNKNOWN)
