"""Stage perplexity: translations that read unlike real text are dropped, by an n-gram model of real text."""
