"""Examples of SFT and DPO: checked with the model's tokenizer before a run starts, and brought into Aligner's form."""
