"""What the transformers on the path makes of converted folders; run in a process of its own.

    PYTHONPATH=.venv/transformers5 python tests/recipes/convert/read_with.py REQUEST.pt REPLY.pt
REQUEST holds {folder: {sequences, texts, messages}}; REPLY says the same for each folder in the version's own words.
"""

import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig


def describe(folder: str, sequences: list[list[int]], texts: list[str], messages: list[dict[str, str]]) -> dict:
    """Logits, token ids, chat text, stops and generated tokens."""
    settings = {"torch_dtype": torch.float32, "attn_implementation": "eager", "output_loading_info": True}
    model, info = AutoModelForCausalLM.from_pretrained(folder, **settings)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        logits = [model.eval()(torch.tensor([ids]), use_cache=False).logits[0] for ids in sequences]
        first = torch.tensor([sequences[0][:8]])
        generated = model.generate(first, attention_mask=torch.ones_like(first), max_new_tokens=4, do_sample=False)
    return {
        "logits": torch.cat(logits),
        "left over": sum(len(found) for found in info.values()),
        "ids": [list(tokenizer(text)["input_ids"]) for text in texts],
        "chat": tokenizer.apply_chat_template(messages, tokenize=False) if tokenizer.chat_template else "",
        "length": len(tokenizer),
        "stops": GenerationConfig.from_pretrained(folder).eos_token_id,
        "generated": generated.tolist(),
        "dtype": str(AutoModelForCausalLM.from_pretrained(folder, torch_dtype="auto").dtype),
    }


if __name__ == "__main__":
    request = torch.load(sys.argv[1], weights_only=True)
    reply = {folder: describe(folder, **asked) for folder, asked in request.items()}
    torch.save({"version": transformers.__version__, "folders": reply}, sys.argv[2])
