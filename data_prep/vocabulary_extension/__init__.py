"""New pieces for a tokenizer that cuts a language too finely, and what rows of the model's tables they start from."""
