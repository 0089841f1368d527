"""Stage instruct: conversations and preferences, also translated, in NeMo-Aligner's formats."""
