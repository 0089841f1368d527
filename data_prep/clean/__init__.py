"""Stage clean: repairs encoding, normalises, strips boilerplate, and rejects what is no prose of its language."""
