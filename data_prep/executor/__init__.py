"""Runs the tasks of a step as a datatrove pipeline on one machine, a Slurm cluster or Ray; one rank a task.

The only package that imports datatrove. Receipts are the only truth of what is done: datatrove marks a finished rank
with an empty file named after the rank alone, so a changed setting, an edited input or a reordered list of sources
would go unnoticed. Only tasks that are not current get a rank, and `skip_completed` is off.
"""
