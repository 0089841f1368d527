"""What is kept of a model's stages; the NeMo side itself is exercised by tests/recipes/convert."""

import torch

from recipes.runtime.inference import record_stages


class Layer(torch.nn.Module):
    """Returns a tuple, sequence first, as megatron-core's layers do."""

    def forward(self, hidden):
        return hidden.transpose(0, 1) + 1, None


def test_outputs_of_all_sequences_are_joined_whatever_their_layout():
    embedding, layer = torch.nn.Embedding.from_pretrained(torch.arange(8.0).view(4, 2)), Layer()
    trace = record_stages({"embedding": embedding, "layer 0": layer}, lambda ids: layer(embedding(ids)), [[0, 1], [3]])
    assert list(trace) == ["embedding", "layer 0"]
    assert trace["embedding"].tolist() == [[0, 1], [2, 3], [6, 7]]
    assert torch.equal(trace["layer 0"], trace["embedding"] + 1)


def test_hooks_are_taken_off_again():
    embedding = torch.nn.Embedding(4, 2)
    record_stages({"embedding": embedding}, embedding, [[0]])
    assert not embedding._forward_hooks
