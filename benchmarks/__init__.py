"""Benchmarks: how long a training step takes beside a plain transformers loop, and where start-up time goes."""
