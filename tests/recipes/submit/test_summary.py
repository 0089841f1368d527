"""The first cause among the logs of many ranks."""

from recipes.submit.summary import LONGEST, exits, first_failure


def traceback(*last: str) -> str:
    head = 'Traceback (most recent call last):\n  File "/a/b.py", line 3, in f\n    g()\n'
    return head + "\n".join(last) + "\n"


PEER = traceback("RuntimeError: [../third_party/gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.0.0.1]:1")
NCCL = traceback("torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:2027, remote process exited")
SRUN = "srun: error: n2: task 3: Exited with exit code 1\nsrun: error: n1: tasks 0-2: Terminated\n"


def test_the_rank_that_died_of_itself_comes_before_those_that_lost_it() -> None:
    logs = {0: f"step 4\n{PEER}", 1: NCCL, 2: "", 3: "step 4\n" + traceback("ValueError: the sample is empty") + PEER}
    found = first_failure(SRUN, logs)
    assert (found.rank, found.node, found.kind, found.exit_code) == (3, "n2", "code", 1)
    assert found.headline == "rank 3 on n2: ValueError: the sample is empty [code]"
    assert "closed by peer" not in str(found)


def test_of_two_own_faults_the_one_srun_saw_first_counts() -> None:
    logs = {0: traceback("OSError: disk"), 3: traceback("KeyError: 'text'")}
    assert first_failure(SRUN, logs).rank == 3
    assert first_failure("", logs).rank == 0


def test_where_every_rank_only_lost_another_it_is_the_network() -> None:
    found = first_failure("", {0: PEER, 1: NCCL})
    assert (found.kind, found.rank) == ("network", 0)


def test_a_message_of_ours_is_shown_whole_with_its_fix() -> None:
    log = "epoch 1\nerror: No checkpoint to continue from.\n  where: model.restore_from_path\n  fix:   x=1\nbye\n"
    found = first_failure("srun: error: n1: task 0: Exited with exit code 2\n", {0: log})
    assert (found.kind, found.exit_code) == ("configuration", 2)
    assert found.text.splitlines()[-1] == "  fix:   x=1"
    assert found.headline == "rank 0 on n1: error: No checkpoint to continue from. [configuration]"


def test_memory_and_cards_have_classes_of_their_own() -> None:
    out = traceback("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
    assert first_failure("", {5: out}).kind == "memory"
    assert first_failure("", {5: traceback("RuntimeError: CUDA error: uncorrectable ECC error")}).kind == "node"
    killed = "srun: error: n1: task 2: Out Of Memory\n"
    assert first_failure(killed, {2: "step 1\n"}).kind == "memory"
    assert first_failure(killed, {2: "step 1\n"}).headline == "Out Of Memory (task 2 on n1) [memory]"


def test_advice_in_a_message_makes_no_class() -> None:
    log = "error: 1 of 4 tasks ended without a receipt\n  why:   a process was killed: out of memory, a time limit\n"
    assert first_failure("", {0: log}).kind == "code"


def test_a_rank_killed_without_a_word_is_named() -> None:
    found = first_failure("srun: error: gpu-017: tasks 8-15: Killed\n", {8: "", 9: ""})
    assert (found.kind, found.text) == ("killed", "Killed (task 8 on gpu-017)")
    assert first_failure("", {}).headline == "no rank left a message [unknown]"


def test_ranks_that_lost_a_killed_one_do_not_hide_it() -> None:
    job_log = "srun: error: n2: task 1: Killed\nsrun: error: n1: task 0: Exited with exit code 1\n"
    assert first_failure(job_log, {0: PEER, 1: "step 4\n"}).text == "Killed (task 1 on n2)"


def test_torchs_mark_of_the_rank_is_no_part_of_a_traceback() -> None:
    log = "".join(f"[rank7]: {line}\n" for line in traceback("KeyError: 'text'").splitlines())
    assert first_failure("", {7: log}).headline == "rank 7: KeyError: 'text' [code]"


def test_the_root_of_a_chain_of_exceptions_is_the_one_shown() -> None:
    log = traceback("KeyError: 'text'") + "\nDuring handling of the above exception, another exception occurred:\n\n"
    assert first_failure("", {0: log + traceback("RuntimeError: worker died")}).text.endswith("KeyError: 'text'")


def test_a_long_traceback_loses_its_middle() -> None:
    log = "Traceback (most recent call last):\n" + "  File\n" * 100 + "ValueError: x\n"
    text = str(first_failure("", {0: log}))
    assert len(text.splitlines()) == LONGEST + 2
    assert "... 62 lines ..." in text


def test_exits_read_what_srun_says() -> None:
    assert [(each.node, each.task, each.code) for each in exits(SRUN)] == [("n2", 3, 1), ("n1", 0, None)]
    assert exits("srun: error: Unable to create step\nsrun: Force Terminated StepId=4.0\n") == []
