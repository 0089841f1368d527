"""One rank of a short all-reduce over all nodes: `python -m recipes.submit.all_reduce RANK WORLD DEVICE`.

DEVICE is `cpu` (gloo) or the number of a GPU (NCCL). Each stage that is reached is a line on stdout: who hangs is then
known by how far it came. A process of its own, because a collective that hangs can only be killed; its parent does it.
"""

import os
import sys
import time

STAGES = ("started", "connected", "joined", "reduced")
ELEMENTS = 4 << 20
"""16 MiB in fp32: beyond what eager protocols send without a handshake."""


def main(rank: int, world: int, device: str) -> None:
    """Meets the others at MASTER_ADDR:MASTER_PORT, sums one tensor over all and checks the sum."""
    import torch
    import torch.distributed as dist

    _say("started")
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(address, port, world, is_master=rank == 0, wait_for_workers=False)
    _say("connected")
    on_gpu = device != "cpu"
    if on_gpu:
        torch.cuda.set_device(int(device))
    dist.init_process_group("nccl" if on_gpu else "gloo", store=store, rank=rank, world_size=world)
    values = torch.full((ELEMENTS,), float(rank + 1), device=f"cuda:{device}" if on_gpu else "cpu")
    dist.barrier()
    _say("joined")
    start = time.perf_counter()
    dist.all_reduce(values)
    if float(values.min()) != (expected := world * (world + 1) / 2) or float(values.max()) != expected:
        sys.exit(f"rank {rank}: the sum over {world} ranks is {float(values.min())}, not {expected}")
    _say(f"reduced {time.perf_counter() - start:.3f}")
    dist.barrier()  # rank 0 holds the store of all
    dist.destroy_process_group()


def _say(stage: str) -> None:
    print(stage, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
