"""The arithmetic of the benchmarks: what they compute from times, without timing anything."""

import json

import pytest

from benchmarks import common, convert, endpoint, marked_run, romanize, start_up, train_step
from recipes import run_record


def test_parts_lie_end_to_end():
    marks = {name: float(index**2) for index, name in enumerate(("start", *start_up.PARTS))}
    seconds = start_up.parts(marks)
    assert list(seconds) == list(start_up.PARTS.values())
    assert sum(seconds.values()) == marks["exit"] - marks["start"]


def test_the_first_step_is_the_last_part_before_training():
    assert start_up.BEFORE_TRAINING[-1] == start_up.PARTS["first_step"]


def test_a_disturbed_run_does_not_move_the_medians():
    assert start_up.medians([{"exit": 1.0}, {"exit": 99.0}, {"exit": 2.0}]) == {"exit": 2.0}


def test_a_function_is_marked_around_and_its_first_call_counts(tmp_path):
    class Target:
        @staticmethod
        def double(number):
            return 2 * number

    marks = marked_run.Marks(tmp_path / "marks")
    marks.around(Target, "double", "work")
    assert Target.double(4) == 8
    first = marked_run.read(marks.path)
    Target.double(4)
    assert marked_run.read(marks.path) == first
    assert first["work_begins"] <= first["work_ends"]


def test_both_sides_take_turns_and_the_warm_up_is_not_timed():
    calls = []
    timing = train_step.interleave(lambda: calls.append("a") or 1.0, lambda: calls.append("b") or 1.5, 4)
    assert calls == ["a", "b"] * (train_step.WARM_UP_STEPS + 4)
    assert len(timing.ours) == len(timing.rival) == 4
    assert timing.loss_difference == 0.5


def test_the_ratio_is_that_of_the_medians():
    timing = train_step.Timing(ours=[0.1, 0.3, 9.0], rival=[0.2, 0.2, 0.1], loss_difference=0.0)
    assert timing.ratio == pytest.approx(1.5)
    assert timing.least_ratio == pytest.approx(1.0)
    assert train_step.rows("tiny", timing)[0] == ["tiny, langadapt", "300", "100", "1.50", "1.00"]


def test_steps_of_a_run_are_timed_without_validation_and_the_first_steps(tmp_path):
    lines = [{"step": step, "time": float(step), "reduced_train_loss": 8.0} for step in range(6)]
    path = tmp_path / run_record.METRICS_NAME
    path.parent.mkdir()
    path.write_text("\n".join(map(json.dumps, [*lines, {"step": 5, "time": 99.0, "val_loss": 2.0}])))
    assert train_step.step_seconds(common.step_times(tmp_path)) == [1.0, 1.0]


def test_norms_are_named_as_in_checkpoints():
    layer = "decoder.layers.0."
    assert train_step.stored_name(f"{layer}pre_mlp_layernorm.weight") == f"{layer}mlp.linear_fc1.layer_norm_weight"
    assert train_step.stored_name("decoder.final_layernorm.weight") == "decoder.final_layernorm.weight"


def test_table_aligns_its_columns():
    assert common.table(["part", "s"], [["exit", "10.00"]]) == "part      s\nexit  10.00"


def test_the_stand_in_engine_comes_back_and_keeps_placeholders():
    assert endpoint.translate(endpoint.translate("the <ID1> river, 3 km")) == "the <ID1> river, 3 km"


def test_continued_text_grows_new_words_as_the_given_one_does():
    """Heaps' law: of a text with 10 words, 5 in its half, the exponent is 1, and every further word is new."""
    given = ["one two three four five six seven eight nine ten"]
    words = " ".join(romanize.continued(given, 400)).split()
    assert len(set(words)) == len(words)
    assert set(given[0].split()) <= set(words)
    assert sum(map(len, words)) + len(words) >= 400


def test_the_shape_converted_is_the_4bs():
    """4,190,509,056 weights less 399,360 in norms, two bytes each."""
    assert convert.weight_bytes(layers=32, vocabulary=256_000) == 2 * (4_190_509_056 - 399_360)


def test_a_disk_too_small_to_convert_on_is_named_first(tmp_path):
    with pytest.raises(SystemExit, match=r"needs 1000000\.0 GB in .*--layers 2 --vocabulary 32000"):
        convert.require_space(tmp_path, 10**15)
