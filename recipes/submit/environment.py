"""Variables every rank of a job starts with, in one place; a site's own `slurm.environment` is laid over them."""

from pathlib import Path


def environment(logs: Path, cpus_per_task: int) -> dict[str, str]:
    """The variables by name.

    Args:
        logs: Folder for what NCCL and torch have to say, a file a process.
        cpus_per_task: Cores of a rank.
    """
    return {
        # A rank that lost its neighbours ends instead of waiting (torch's default since 2.2; older containers differ).
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
        # The flight recorder: the last collectives of every rank, written when one times out.
        "TORCH_NCCL_TRACE_BUFFER_SIZE": "2000",
        "TORCH_NCCL_DUMP_ON_TIMEOUT": "1",
        "TORCH_NCCL_DEBUG_INFO_TEMP_FILE": f"{logs}/nccl_trace_rank_",
        "NCCL_DEBUG": "WARN",
        "NCCL_DEBUG_FILE": f"{logs}/nccl.%h.%p.log",
        # 4.096 us x 2^22 = 17 s for one try of an InfiniBand message; NCCL's 20 gives up within a link's flap.
        "NCCL_IB_TIMEOUT": "22",
        # Megatron overlaps communication of tensor and context parallel ranks by the order of one hardware queue.
        "CUDA_DEVICE_MAX_CONNECTIONS": "1",
        "OMP_NUM_THREADS": str(cpus_per_task),
        # SIGABRT makes a rank print the stacks of all its threads; that is how the watchdog asks a hung run.
        "PYTHONFAULTHANDLER": "1",
        "PYTHONUNBUFFERED": "1",
    }
