"""The page shows the facts, says what has not run, and treats every text as text."""

import json
import re
import shutil
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from recipes.report import facts, page, wording


def render(folder: Path) -> str:
    return page.render(facts.collect(folder), folder.name)


def visible(html: str) -> str:
    """The page's words without what shows only on hover, blanks and minus signs made alike."""
    html = re.sub(r"<(style|title)>.*?</\1>", "", html, flags=re.DOTALL)
    text = unescape(re.sub(r"<[^>]+>", " ", html))
    return re.sub(r"\s+", " ", text).replace(wording.MINUS, "-")


def section(html: str, name: str) -> str:
    return visible(re.search(rf'<section id="{name}">.*?</section>', html, flags=re.DOTALL).group())


class Tags(HTMLParser):
    """Every tag with its attributes; complains about tags left open."""

    VOID = ("meta",)

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_section_of_a_finished_run_has_its_figures(demo):
    html = render(demo)
    expected = {
        "bits": [
            "Hindi all 17 31,428 2.912 ± 0.061 1.874 ± 0.044",
            "English real 12 11,302",
            "translated 4 5,310 3.010 ± 0.061",
        ],
        "tasks": [
            "mmlu_hi_letter acc 60 0 25.0 ± 2.0 50.0 ± 2.0 50.0 ± 2.0 MMLU-hi, score 38.2 49.9 50.5",
            "boolq acc 40 0 60.0 ± 2.0 60.0 ± 2.0 20.0 ± 2.0 – – – –",
            "mmlu_hi_letter cpt base 60 +25.0 ",
            "cpt is better",
            "English: what was kept",
            "boolq cpt base 40 0.0 0.0 to 0.0 1.000 0.0 the same on each of 40 items",
            "boolq dpo base 40 -40.0 -55.0 to -25.0 < 0.001",
            "dpo is worse",
            "english_retention dpo base 2 -21.",
            "as transcribed from a literature review, not read in the paper",
            "En+Hi En+Hi 4.25 4.13 4.04",
        ],
        "contamination": [
            "Items with 13 words in a row in one of 435 training documents.",
            "mmlu_hi_letter 200 31 3 1.5 % 4",
            "sample real 3 4",
            "mmlu_hi_letter cpt acc 40.0 ± 3.5 of 200 39.1 ± 3.5 of 197 100.0 ± 0.0 of 3",
            "mmlu_hi_letter, item item-4, in sample document hi-17: गंगा नदी हिमालय",
        ],
        "judge": [
            "judge: judged by judge-70b, 43,100 tokens, 0.42 USD.",
            "base 40 3 1.92 ± 0.11",
        ],
        "corpus": ["435 documents, 359,182 characters, 112,434 tokens.", "empty (3).", "hi-Latn romanized 118 101,733"],
        "fertility": [
            "base Hindi hi-Deva real 2.36 ± 0.04 6.63 2.4 % 1,735 6.8",
            "training days for 118 billion words",
            "romanized 1.73 ± – 3.11",
            "base, Hindi: extend the vocabulary, 2.36 tokens a word",
        ],
        "blend": [
            "cpt: 819,200 tokens drawn",
            "English 50 % Hindi 50 % Tokens drawn by language",
            "sample.en-Latn.real 27 % 50 % 0.500 27,604 409,600 14.84",
        ],
        "training": [
            "CPT: what it learns and forgets Hindi English",
            "where it began",
            "cpt TP 2 · PP 1 · DP 1 200 6.127 4.058 4.868 → 4.178 2 min 47 s portable, cpu",
        ],
        "preference": [
            "At the last step the margin is 4.25 nats and 88 % of the pairs are won;",
            "on pairs kept aside it is 4.25 nats and 88 %.",
            "the log-probability of an answer is now -40.50 nats if it was chosen, -61.25 if it was rejected.",
            "chosen minus rejected",
            "pairs whose chosen answer wins",
            "chance",
        ],
        "generations": ["text भारत में बारिश का मौसम", "question चाय बनाने का आसान तरीका बताइए।", "dpo nothing"],
        "parity": ["dpo 1,024 1.2 × 10⁻⁵ 1.0 × 10⁻⁴ 14.2 100 %"],
        "time": ["cpt 3 min 00 s 32 %"],
        "ground": [
            "Ground: portable. Device: cpu. 24 named patches",
            "megatron-core 0.10.0",
            "4f1c2d9e8b7a",
            "apex_gate",
        ],
    }
    for name, parts in expected.items():
        for part in parts:
            assert part in section(html, name), name


def test_the_top_has_the_result_the_warning_and_the_key_figures(demo):
    text = visible(render(demo).split("<section")[0])
    assert "Hindi bits per byte fell from 2.91 to 1.87 (-36 %)." in text
    assert "English rose from 2.02 to 2.10 (+4.1 %, 95 % interval +3.0 % to +5.1 %)" in text
    assert "A toy corpus teaches a toy model" in text
    assert "-36 % Hindi, bits per byte 2.91 → 1.87" in text
    assert "4.25 DPO reward margin" in text
    assert "9 min 27 s total time portable ground" in text
    assert "cpt 200 steps" in text


def test_the_page_is_well_formed_and_loads_nothing(demo):
    html = render(demo)
    tags = Tags(html).found
    assert not {"script", "link", "img", "iframe", "object", "embed", "a", "base", "form"} & {tag for tag, _ in tags}
    attributes = {name for _, attributes in tags for name in attributes}
    assert not {"src", "href", "srcset", "action", "style"} & attributes
    assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:|//[a-z]", re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1))
    policy = next(attributes for tag, attributes in tags if attributes.get("http-equiv"))
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_hindi_is_marked_as_hindi_and_finds_its_fonts(demo):
    html = render(demo)
    assert '<dd lang="hi-Deva" dir="auto">' in html
    for font in ("Noto Sans Devanagari", "Lohit Devanagari", "Mangal"):
        assert font in html


HOSTILE = "</dd></style><script>alert('x')</script><img src=https://evil.example/x onerror=alert(1)>\u202e\ud800&amp;"


def test_hostile_text_stays_text(demo):
    """Generations, names of files and of models are whatever somebody put there."""
    path = demo / "evaluation.json"
    evaluation = json.loads(path.read_text())
    sample = {"lang": '"><b>', "kind": "text", "prompt": HOSTILE, "system": None}
    evaluation["generations"] = [{**sample, "answers": [{"model": HOSTILE, "text": HOSTILE}]}]
    evaluation["models"][HOSTILE] = HOSTILE
    path.write_text(json.dumps(evaluation))
    steps = demo / "steps.json"
    steps.write_text(json.dumps({**json.loads(steps.read_text()), HOSTILE: 1.0}))
    html = render(demo)
    assert not {"script", "img"} & {tag for tag, _ in Tags(html).found}
    assert HOSTILE in unescape(html)


@pytest.mark.parametrize(
    ("part", "name", "words"),
    [
        ("data", "corpus", "Not run. langadapt prep makes this part."),
        ("blend", "blend", "Not run. langadapt blend makes this part."),
        ("sft", "training", "Not run: SFT: instruction tuning."),
        ("fertility.json", "fertility", "Not run. langadapt fertility makes this part."),
        ("dpo", "preference", "Not run. langadapt dpo makes this part."),
        ("evaluation.json", "bits", "Not run. langadapt evaluate makes this part."),
        ("evaluation.json", "generations", "Not run. langadapt evaluate makes this part."),
        ("evaluation.json", "tasks", "Not run. langadapt evaluate CONFIG tasks=[...] makes this part."),
        ("hf", "parity", "Not run. langadapt convert to-hf makes this part."),
    ],
)
def test_a_stage_that_has_not_run_is_said_so(demo, part, name, words):
    path = demo / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    html = render(demo)
    Tags(html)
    assert words in section(html, name)
    assert "not run" in visible(html.split("<section")[0])


def test_a_run_with_nothing_but_a_corpus_has_a_page(demo, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(demo / "data", bare / "data")
    html = render(bare)
    Tags(html)
    text = visible(html)
    assert "Nothing has been trained in this folder yet." in text
    assert text.count("Not run.") == 8
    assert "A toy corpus" not in text


def test_a_run_that_is_under_way_is_said_so(demo):
    path = demo / "cpt" / "record" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "running"}))
    assert "cpt not finished TP 2" in section(render(demo), "training")


def test_a_diverged_run_is_said_so(demo):
    with (demo / "cpt" / "record" / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 200, "reduced_train_loss": NaN}\n')
    path = demo / "evaluation.json"
    evaluation = json.loads(path.read_text())
    evaluation["bits_per_byte"]["hi-Deva"]["cpt"] = float("nan")
    path.write_text(json.dumps(evaluation))
    html = render(demo)
    assert "1 of 201 steps have no finite loss" in section(html, "training")
    assert "2.912 ± 0.061 not finite" in section(html, "bits")
    assert "Hindi in Latin script bits per byte fell" in visible(html)


def test_a_conversion_without_the_parity_check_proves_nothing(demo):
    path = demo / "hf" / "dpo" / "parity.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_abs_logit_diff": None, "positions": 0}))
    html = render(demo)
    assert "dpo converted without the parity check" in section(html, "parity")
    assert "largest logit difference" not in visible(html.split("<section")[0])


def test_on_the_container_nothing_was_patched(demo):
    for stage in ("base", "cpt", "sft", "dpo"):
        path = demo / stage / "record" / "run.json"
        record = json.loads(path.read_text())
        ground = {**record["ground"], "name": "container", "device": "NVIDIA A100-SXM4-80GB", "missing": []}
        path.write_text(json.dumps({**record, "ground": ground, "git": {}}))
    text = section(render(demo), "ground")
    assert "Ground: container. Device: NVIDIA A100-SXM4-80GB. Nothing was patched." in text
    assert "git commit" not in text


def test_without_readings_nothing_is_said_of_forgetting(demo):
    metrics = demo / "cpt" / "record" / "metrics.jsonl"
    metrics.write_text("".join(line + "\n" for line in metrics.read_text().splitlines() if "monitor" not in line))
    assert "what it learns and forgets" not in render(demo)


def test_the_level_of_no_preference_is_drawn_only_for_the_plain_dpo_loss(demo):
    assert "no preference, ln 2" in section(render(demo), "training")
    path = demo / "dpo" / "record" / "run.json"
    record = json.loads(path.read_text())
    record["config"]["model"]["dpo"]["sft_loss_weight"] = 0.5
    path.write_text(json.dumps(record))
    assert "no preference" not in section(render(demo), "training")


def test_an_evaluation_without_prompts_is_said_so(demo):
    path = demo / "evaluation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "generations": []}))
    assert "The evaluation was given no prompts." in section(render(demo), "generations")


def test_an_evaluation_without_tasks_or_without_held_out_text_has_its_other_part(demo):
    path = demo / "evaluation.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in whole.items() if name not in ("tasks", "groups")}))
    html = render(demo)
    assert "Hindi all 17 31,428" in section(html, "bits")
    assert "Not run. langadapt evaluate CONFIG tasks=[...]" in section(html, "tasks")
    assert "evaluate 3 languages" in visible(html.split("<section")[0])
    kept = ("tasks", "groups", "items_folder", "models", "seconds", "generations")
    path.write_text(json.dumps({name: whole[name] for name in kept}))
    html = render(demo)
    assert "Not run. langadapt evaluate makes this part." in section(html, "bits")
    assert "mmlu_hi_letter acc 60" in section(html, "tasks")
    assert "evaluate 3 tasks" in visible(html.split("<section")[0])


def test_what_cannot_be_compared_is_shown_with_its_reason(demo):
    (demo / "items" / "dpo" / "boolq.jsonl").unlink()
    log = demo / "items" / "cpt" / "boolq.jsonl"
    log.write_text(log.read_text().replace("prompt-3", "chat-3", 1))
    text = section(render(demo), "tasks")
    assert "boolq, cpt against base (1 of 40 prompts differ, the first that of item item-3)" in text
    assert "boolq, dpo against base (cannot read this item log" in text
    assert "boolq acc 40 0 60.0" in text
    assert "english_retention" not in text


def test_without_contamination_and_judges_nothing_is_said_of_them(demo):
    (demo / "contamination.json").unlink()
    (demo / "judge.json").unlink()
    html = render(demo)
    assert 'id="contamination"' not in html
    assert 'id="judge"' not in html


def test_pairs_that_a_model_judged_are_shown_with_what_was_lost(demo):
    pairs = {
        "items": 20, "valid": 18, "invalid": {"bad JSON": 3}, "unanswered": {}, "wins": 9, "losses": 5, "ties": 4,
        "win_share": {"value": 0.611, "standard_error": 0.1, "low": 0.42, "high": 0.8},
    }  # fmt: skip
    found = {
        "kind": "pairs",
        "judge": {"model": "m"},
        "usage": {"prompt_tokens": 900, "completion_tokens": 100, "cost": None},
        "models": ["dpo", "sft"],
        "pairs": pairs,
    }
    (demo / "judge_pairs.json").write_text(json.dumps(found))
    text = section(render(demo), "judge")
    assert "dpo against sft: 9 wins, 4 ties, 5 losses of 20 pairs, a share of 61 % (42 % to 80 %); 3 judgements" in text
    assert "judged by m, 1,000 tokens, at a price nobody gave." in text


def test_cards_that_are_there_are_linked(demo):
    assert "<a " not in render(demo)
    for place in ("data/documents/README.md", "hf/dpo/README.md"):
        (demo / place).parent.mkdir(parents=True, exist_ok=True)
        (demo / place).write_text("card")
    html = render(demo)
    links = [attributes["href"] for tag, attributes in Tags(html).found if tag == "a"]
    assert links == ["data/documents/README.md", "hf/dpo/README.md"]
    assert "Model cards: dpo ." in section(html, "parity")


def test_every_language_has_the_interval_of_its_paired_difference(demo):
    text = visible(section(render(demo), "bits"))
    assert "English +4.1 % (+3.0 % to +5.1 %)" in text
    assert "Hindi -36 % (-38 % to -34 %)" in text
    assert "Latin script -" not in text  # of a difference that is no number nothing is said
