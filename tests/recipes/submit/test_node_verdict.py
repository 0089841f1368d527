from recipes.submit.node_verdict import Report, reports, verdict


def good(*names: str) -> list[Report]:
    return [
        Report(node=name, number=number, unseen=[], stage=3, seconds=0.1, clock=0.0, is_whole=True)
        for number, name in enumerate(names)
    ]


def test_nodes_without_a_fault_are_good() -> None:
    result = verdict(good("n1", "n2"))
    assert (result.bad, result.common, result.exit_code) == ({}, [], 0)


def test_a_node_with_a_fault_is_named_and_the_others_that_waited_for_it_are_not() -> None:
    found = good("n1", "n2", "n3")
    found[1].faults.append("cannot write into the run folder /r: Permission denied")
    for report in found:
        report.unseen, report.stage = [1], 1
    result = verdict(found)
    assert result.bad == {"n2": ["cannot write into the run folder /r: Permission denied"]}
    assert (result.common, result.exit_code) == ([], 3)


def test_a_node_that_said_nothing_is_named() -> None:
    said = [{"node": "n1", "number": 0, "unseen": [1], "stage": 1}, {"node": "n1", "is_whole": True}]
    result = verdict(reports(["n1", "n2"], said))
    assert list(result.bad) == ["n2"]
    assert "could not start there, or it hung" in result.bad["n2"][0]


def test_a_node_whose_files_the_others_do_not_see_is_named() -> None:
    found = good("n1", "n2", "n3")
    found[0].unseen = found[1].unseen = [2]
    found[2].unseen = [0, 1]
    result = verdict(found)
    assert result.bad["n3"] == [
        "n1 does not see its files in the run folder",
        "n2 does not see its files in the run folder",
        "it sees no file of the others in the run folder: not the same file system",
    ]
    assert list(result.bad) == ["n3"]


def test_a_run_folder_that_no_two_nodes_share_is_nobodys_own_fault() -> None:
    found = good("n1", "n2")
    found[0].unseen, found[1].unseen = [1], [0]
    result = verdict(found)
    assert result.bad == {}
    assert result.common[0].startswith("n1: it sees no file of the others in the run folder")
    assert result.exit_code == 1


def test_the_node_that_cannot_reach_the_others_is_named() -> None:
    found = good("n1", "n2", "n3")
    for report, stage in zip(found, (1, 1, 0), strict=True):
        report.stage = stage
    assert verdict(found).bad == {"n3": ["the all-reduce ended at stage 'started' here"]}


def test_a_rank_that_died_is_to_blame_not_those_who_lost_it() -> None:
    found = good("n1", "n2", "n3")
    words = ("RuntimeError: Connection reset by peer", "RuntimeError: CUDA error: uncorrectable ECC error", "")
    for report, died in zip(found, words, strict=True):
        report.stage, report.died = 1, died
    assert verdict(found).bad == {
        "n2": ["the all-reduce ended at stage 'connected' here: RuntimeError: CUDA error: uncorrectable ECC error"]
    }


def test_an_all_reduce_that_hangs_everywhere_is_the_networks_fault() -> None:
    found = good("n1", "n2", "n3")
    for report in found:
        report.stage = 2
    result = verdict(found)
    assert (result.bad, result.exit_code) == ({}, 1)
    assert result.common[0].startswith(
        "the all-reduce over 3 nodes ended at stage 'joined' on all of them: the network"
    )


def test_a_fault_of_all_nodes_is_not_mended_by_other_nodes() -> None:
    found = good("n1", "n2")
    for report in found:
        report.faults.append("no nvidia-smi on PATH, and the job has 8 GPUs a node")
    result = verdict(found)
    assert (result.bad, result.exit_code) == ({}, 1)
    assert result.common[1] == "n2: no nvidia-smi on PATH, and the job has 8 GPUs a node"


def test_other_gpus_than_those_of_most_nodes_and_a_wrong_clock_are_named() -> None:
    found = good("n1", "n2", "n3")
    for report in found:
        report.gpus = ["A100-80"]
    found[2].gpus = ["A100-40"]
    found[0].clock = -95.0
    assert verdict(found).bad == {
        "n1": ["its clock is -95 s off the others'"],
        "n3": ["its GPUs are A100-40, those of most A100-80"],
    }


def test_of_two_nodes_with_different_gpus_neither_is_the_bad_one_but_the_clock_off_the_file_systems_is() -> None:
    found = good("n1", "n2")
    found[0].gpus, found[1].gpus = ["A100-80"], ["A100-40"]
    assert verdict(found).common == [
        "n1: its GPUs are A100-80, others have others",
        "n2: its GPUs are A100-40, others have others",
    ]
    found = good("n1", "n2")
    found[0].clock, found[1].clock = 95.0, -1.0
    assert verdict(found).bad == {"n1": ["its clock is +96 s off the others'"]}


def test_lines_of_other_programs_and_unknown_nodes_change_nothing() -> None:
    found = reports(
        ["n1"], [{"node": "elsewhere", "fault": "x"}, {"node": "n1", "note": "a"}, {"node": "n1", "note": "b"}]
    )
    assert [(report.node, report.notes) for report in found] == [("n1", ["a", "b"])]
