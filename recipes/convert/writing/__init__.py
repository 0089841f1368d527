"""What a conversion makes, written front to back: weights, settings, tokenizer, and the folder around them."""
