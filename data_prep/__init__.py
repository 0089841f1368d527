"""Text to tagged shards to Megatron token datasets to a blend plan; needs neither NeMo nor torch."""
