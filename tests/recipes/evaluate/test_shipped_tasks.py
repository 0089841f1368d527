"""Every task of ours runs offline on items in its source's schema; no examples come from the split it is scored on."""

import json

import pytest

from recipes.evaluate import registry, sources, task_data
from recipes.evaluate.registry import OURS
from tests.recipes.evaluate import task_items

GROUPS = sorted(path.stem for path in (OURS / "groups").glob("*.yaml"))
TASKS = sorted(set(registry.our_names()) - set(GROUPS))
LANGS = {"hi-Deva", "en-Latn"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return task_items.write(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def manager():
    return registry.open_manager(TASKS)


@pytest.fixture(scope="module")
def load(manager, data):
    def load(name, num_fewshot=0):
        (entry,) = registry.resolve(manager, [name]).values()
        return task_data.load_task(manager, entry, data_dir=data, num_fewshot=num_fewshot, seq_length=512)

    return load


def config(manager, name):
    return registry.config_of(registry.resolve(manager, [name])[name])


@pytest.mark.parametrize("name", TASKS)
def test_a_task_says_its_language_version_scoring_and_headline(name, load):
    loaded = load(name)
    metadata = loaded.task.config.metadata
    assert loaded.lang in LANGS
    assert loaded.task.VERSION == 1
    assert metadata["scoring"] == loaded.scoring
    assert (loaded.scoring == "letter") == name.endswith("_letter")
    assert loaded.headline in {*loaded.task.aggregation(), "chrf++"}


@pytest.mark.parametrize("name", TASKS)
def test_examples_never_come_from_the_split_that_is_scored(name, manager):
    found = config(manager, name)
    scored = found.get("test_split") or found["validation_split"]
    assert scored not in (found.get("fewshot_split"), found.get("training_split"))
    assert not {"fewshot_config", "num_fewshot"} & set(found), "the shots are the evaluation's to say"


@pytest.mark.parametrize("name", [name for name in TASKS if not name.endswith("_letter")])
def test_every_choice_task_is_scored_by_letters_too_on_the_same_items(name, load):
    if load(name).scoring == "generation" or name.startswith("sample"):
        return
    whole, letter = load(name).task, load(f"{name}_letter").task
    assert list(whole.task_docs) == list(letter.task_docs)
    for doc in whole.task_docs:
        assert whole.doc_to_target(doc) == letter.doc_to_target(doc)
        assert len(whole.doc_to_choice(doc)) == len(letter.doc_to_choice(doc))


def prompt(loaded, index):
    task = loaded.task
    doc = task.task_docs[index]
    task.set_fewshot_seed(0)
    return task.fewshot_context(doc, loaded.num_fewshot), task.doc_to_choice(doc), task.doc_to_target(doc)


@pytest.mark.parametrize(
    ("name", "text", "choices", "target"),
    [
        (
            "indic_sentiment_hi_letter",
            (
                "Predict the sentiment of the review. The possible choices for the sentiment are: 'positive' and "
                "'negative'.\n\nReview: कड़ाही मज़बूत है और खाना इसमें चिपकता नहीं।\nSentiment:"
            ),
            ["positive", "negative"],
            0,
        ),
        (
            "indic_copa_hi",
            "सड़क गीली थी क्योंकि",
            ["रात को बारिश हुई थी।", "रात को तारे निकले थे।"],
            0,
        ),
        (
            "indic_copa_hi_letter",
            (
                "I am hesitating between two options. Help me choose the more likely cause or effect.\n\n"
                "सड़क गीली थी। because\nA. रात को बारिश हुई थी।\nB. रात को तारे निकले थे।\nAnswer:"
            ),
            ["A", "B"],
            0,
        ),
        (
            "indic_xnli_hi_letter",
            (
                "Answer whether the hypothesis is more likely to be true (entailment), false (contradiction), or "
                "unknown "
                "(neutral) based on the given premise.\n\nPremise: दुकान रात नौ बजे बंद हो गई।\n"
                "Hypothesis: दुकान दस बजे बंद थी।\nAnswer:"
            ),
            ["true", "unknown", "false"],
            0,
        ),
        (
            "indic_xparaphrase_hi_letter",
            (
                "Read the following text and select the most accurate paraphrase from the two choices.\n\n"
                "The train arrived two hours late.\nThis can be paraphrased in Hindi as\n"
                "1. रेलगाड़ी दो घंटे देर से पहुँची।\n2. रेलगाड़ी दो घंटे पहले पहुँची।\nAnswer:"
            ),
            ["1", "2"],
            0,
        ),
        (
            "boolq_hi_letter",
            (
                "The following are binary yes/no choice questions (with answers).\n\n"
                "Passage: गंगा उत्तर भारत की एक नदी है।\nQuestion: क्या गंगा एक नदी है\nA. Yes\nB. No\n\nAnswer:"
            ),
            ["A", "B"],
            0,
        ),
        (
            "arc_easy_hi_letter",
            (
                "The following are multiple choice questions (with answers) about science.\n\n"
                "पौधे अपना भोजन किस की सहायता से बनाते हैं?\nA. सूर्य का प्रकाश\nB. चाँदनी\nC. लोहा\nD. धुआँ\n\nAnswer:"
            ),
            ["A", "B", "C", "D"],
            0,
        ),
        (
            "hellaswag_hi_letter",
            (
                "Complete the description with an appropriate ending:\n\nShe puts water on the stove. then\n"
                "A. उसमें चाय की पत्ती डालती है।\nB. नाव चलाती है।\nC. पेड़ पर चढ़ती है।\nD. जूते सिलती है।\n\nAnswer:"
            ),
            ["A", "B", "C", "D"],
            0,
        ),
        (
            "mmlu_hi_letter",
            (
                "The following are multiple choice questions (with answers) about geography.\n\n"
                "भारत की राजधानी क्या है?\nA. मुंबई\nB. नई दिल्ली\nC. चेन्नई\nD. कोलकाता\nAnswer:"
            ),
            ["A", "B", "C", "D"],
            1,
        ),
    ],
)
def test_prompts_are_those_the_paper_was_evaluated_with(load, name, text, choices, target):
    assert prompt(load(name), 0) == (text, choices, target)


def test_a_question_may_have_three_to_five_choices_numbered_or_lettered(load):
    loaded = load("arc_challenge_hi_letter")
    assert [prompt(loaded, index)[1:] for index in (1, 2)] == [(["A", "B", "C"], 1), (["A", "B", "C", "D", "E"], 2)]


def test_reviews_without_a_label_are_left_out(load):
    assert [doc["label"] for doc in load("indic_sentiment_hi").task.task_docs] == [0, 1]


@pytest.mark.parametrize("name", ["hellaswag_hi", "hellaswag_hi_letter"])
def test_scenes_with_an_empty_ending_are_left_out(name, load):
    """Nothing is always the likeliest answer."""
    assert [doc["ind"] for doc in load(name).task.task_docs] == [1, 2]


def test_every_task_of_the_groups_has_items_here(manager):
    """Of MMLU's 57 subjects, whose items are alike, one."""
    found = registry.resolve(manager, ["hindi_base", "hindi_generation", "english_retention", "romanised"])
    folders = {task_items_folder(entry) for entry in found.values()}
    without = folders - {*task_items.ITEMS, *task_items.UPSTREAM}
    assert all(name.startswith("mmlu_") for name in without), without


def task_items_folder(entry):
    return (registry.config_of(entry).get("metadata") or {}).get("data") or entry.name


def test_worked_examples_stand_before_the_item_with_their_answers(load):
    text, _, _ = prompt(load("boolq_hi", num_fewshot=1), 0)
    assert text == (
        "ऊँट रेगिस्तान में चलता है।\nप्रश्न: क्या ऊँट उड़ता है\nउत्तर: नहीं\n\n"
        "गंगा उत्तर भारत की एक नदी है।\nप्रश्न: क्या गंगा एक नदी है\nउत्तर:"
    )


@pytest.mark.parametrize(("lang", "right"), [("hi", "मैदान में खेलते हैं।"), ("en", "The children play in the field.")])
def test_the_sample_holds_sixty_items_of_either_label(load, lang, right):
    task = load(f"sample_cloze_{lang}").task
    docs = list(task.task_docs)
    assert len(docs) == len({doc["context"] + doc["ending1"] for doc in docs}) == 60
    assert sum(doc["label"] for doc in docs) == 30
    assert any(right in f"{doc['context']} {task.doc_to_choice(doc)[doc['label']]}" for doc in docs)


def test_the_groups_hold_what_their_names_promise(manager):
    def tasks(group):
        return set(registry.resolve(manager, [group]))

    whole = tasks("hindi_base_continuation")
    assert tasks("hindi_base") == whole | {f"{name}_letter" for name in whole}
    assert whole >= {
        "indic_sentiment_hi",
        "indic_xnli_hi",
        "mmlu_hi",
        "arc_easy_hi",
        "arc_challenge_hi",
        "hellaswag_hi",
    }
    assert "indic_question_generation_hi" in tasks("hindi_generation")
    english = registry.resolve(manager, ["english_retention"])
    assert len([name for name in english if name.startswith("mmlu_")]) == 57
    shots = {name: english[name].overrides["num_fewshot"] for name in ("mmlu_anatomy", "hellaswag", "arc_challenge")}
    assert shots == {"mmlu_anatomy": 5, "hellaswag": 10, "arc_challenge": 25}
    for entry in registry.resolve(manager, ["romanised"]).values():
        assert registry.lang_of(entry, registry.config_of(entry)) == "hi-Latn"


def test_a_converted_split_is_found_as_the_hub_names_it_now_and_did_before():
    now = [
        "d/hi/test/0000.parquet",
        "d/hi/test/0001.parquet",
        "d/hi/train/0000.parquet",
        "d/hi/partial-test/0000.parquet",
    ]
    before = ["d/hi/bio-test.parquet", "d/hi/bio-train-00000-of-00002.parquet", "d/hi/test/index.duckdb"]
    assert sources.parquet_files(now, "test") == now[:2]
    assert sources.parquet_files(before, "test") == before[:1]
    assert sources.parquet_files(before, "train") == [before[1]]


def test_translated_mmlu_is_read_from_its_archive(tmp_path):
    import zipfile

    path = tmp_path / "mmlu.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("deep/mmlu/test/human_aging_test.csv", 'क्या?,क,"ख, ग",घ,ङ,B\nटूटी पंक्ति,क,ख\nक्या?,क,ख,ग,घ,ये\n')
        archive.writestr("deep/mmlu/dev/human_aging_dev.csv", "कब?,क,ख,ग,घ,A\n")
    found = sources.mmlu_hi(url=str(path))
    assert found["test"].to_list() == [
        {"subject": "human aging", "question": "क्या?", "A": "क", "B": "ख, ग", "C": "घ", "D": "ङ", "answer": "B"}
    ]
    assert [doc["answer"] for doc in found["dev"]] == ["A"]


def test_an_archive_of_something_else_is_named(tmp_path):
    import zipfile

    from data_prep.errors import DataError

    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", json.dumps({}))
    with pytest.raises(DataError, match="holds no test/SUBJECT_test"):
        sources.mmlu_hi(url=str(path))
