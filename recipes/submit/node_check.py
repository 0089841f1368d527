"""Looks at every node of a job before it trains, and names the bad ones.

    srun --ntasks-per-node=1 ... python -m recipes.submit.node_check look FOLDER [--gpus N] [--gpu-type a100] ...
    python -m recipes.submit.node_check judge FOLDER

`look` is the task of one node and leaves its report in FOLDER/nodes; it ends with 0 whatever it found, so that srun
lets the others finish. `judge`, in the job script behind it, writes FOLDER/nodes.json, prints one line, and ends with
0: all good; 3: some nodes are bad, `exclude` in nodes.json names them for `sbatch --exclude`; 1: all nodes have the
same fault, or the network between them: other nodes would not help.
"""
