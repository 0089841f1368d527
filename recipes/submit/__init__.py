"""`langadapt submit`: the sbatch script of a run, and what decides inside the job whether it goes on.

Nothing here imports torch: a submit takes a second on a login node.
"""
