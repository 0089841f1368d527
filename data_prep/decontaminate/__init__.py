"""Drops training documents that hold text of evaluation sets, and documents made from them."""
