"""Stage tokenize: finished documents -> Megatron `.bin/.idx`, one prefix per (source, language, kind) and split.

    parts       per shard: its documents as token ids, by the fastest encoder that is proved exact (encoder.py)
    datasets    the parts of a dataset appended to each other in the order of its shards, and removed

Nothing but the documents, the tokenizer and `add_bos` decides the bytes: not workers, batches, the encoder or kills.
"""
