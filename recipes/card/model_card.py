"""Lays out the card of a model: every sentence is made here or beside it, the template only places them."""

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recipes.card import evaluation, findings, training
from recipes.card.facts import Facts, Model
from recipes.card.licenses import License
from recipes.card.limits import limits
from recipes.card.markdown import cell, table
from recipes.report.wording import count, decimal, exponent, large

HELD_OUT = (
    "Bits per byte of held-out documents, lower is better; ± is the standard error over documents. The documents come "
    "from the sources it was trained on, and were kept out of training:"
)
LOAD = """\
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # this folder, or its name on the hub
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype="auto")"""
NO_FACTS = "What the training text was made from is not known: no audit of a data preparation was found."


def render(template: str, **parts: object) -> str:
    """A template of this folder with its parts; the result is Markdown, in which HTML needs no escaping."""
    environment = Environment(  # noqa: S701  Markdown, not HTML: cells are escaped where they are made
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**parts).strip() + "\n"


def card(model: Model, *, name: str, metadata: str, terms: License, base_model: str | None) -> str:
    """The whole card but the mark at its end."""
    return render(
        "model_card.md.jinja",
        metadata=metadata,
        name=name,
        summary=summary(model, base_model),
        license=license_sentence(terms, has_base=bool(model.base or base_model)),
        use=use(model),
        snippet=snippet(model),
        architecture=architecture(model),
        runs=[run_section(model, stage) for stage in model.runs],
        examples=training.examples_table(model),
        examples_by_language=training.languages_of_examples(model),
        sources=sources(model.corpus),
        hyper_parameters=training.hyper_parameters(model.runs) or "No run record was found.",
        evaluation=evaluation_parts(model),
        limits=limits(model),
        certificate=certificate(model),
        versions=versions(model),
    )


def summary(model: Model, base_model: str | None) -> str:
    """What it is and how it was made, in two sentences."""
    kind = (model.config.get("architectures") or ["language model"])[0]
    first = f"A {kind} of {large(model.weights.parameters)} parameters"
    steps = [training.TITLES[stage] for stage in model.runs]
    origin = f" It started from {base_model or f'the checkpoint `{model.base}`'}." if model.base else ""
    made = f", made by {', then '.join(steps)}" if steps else ""
    languages = training.languages(model)
    trained = f" Trained here on {', '.join(languages)}." if languages else ""
    return f"{first}{made}.{origin}{trained}"


def license_sentence(terms: License, *, has_base: bool) -> str:
    """The licence, or that there is none yet and who has to choose it."""
    if not terms.is_decided:
        bound_by = ("the licence of the base model and " if has_base else "") + "the licences of the training text"
        return (
            f"**No licence has been chosen for these weights.** Whoever publishes them chooses one that {bound_by} "
            "(below) allow: `langadapt card RUN license=...`."
        )
    link = f" ([text]({terms.license_link}))" if terms.license_link else ""
    return f"Licence of the weights: {terms.license_name or terms.license}{link}."


def use(model: Model) -> str:
    """How to call it, in words."""
    if model.is_instruct and model.has_chat_template:
        return "It answers: put the conversation through the tokenizer's chat template."
    if model.has_chat_template:
        return (
            "It continues text. The tokenizer's chat template belongs to the fine-tuned models of the same recipe; "
            "this one was not trained to answer."
        )
    return "It continues text."


def snippet(model: Model) -> str:
    """Code that runs in this folder as it is."""
    is_chat = model.is_instruct and model.has_chat_template
    prompt = json.dumps(first_prompt(model, "chat" if is_chat else "text"), ensure_ascii=False)
    encode = (
        f'chat = [{{"role": "user", "content": {prompt}}}]\n'
        "prompt = tokenizer.apply_chat_template(\n"
        '    chat, add_generation_prompt=True, return_tensors="pt", return_dict=True\n)'
        if is_chat
        else f'prompt = tokenizer({prompt}, return_tensors="pt")'
    )
    return f"""{LOAD}
{encode}
output = model.generate(**prompt, max_new_tokens=64, do_sample=False)
print(tokenizer.decode(output[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True))"""


def first_prompt(model: Model, kind: str) -> str:
    """A prompt of the evaluation's, the first of its kind."""
    samples = (model.evaluation or {}).get("generations") or []
    return next((str(each["prompt"]) for each in samples if each["kind"] == kind), "Hello")


def architecture(model: Model) -> str:
    """The shape, from config.json and the headers of the weights."""
    config, stored = model.config, model.weights
    dtype = config.get("torch_dtype") or config.get("dtype")
    rows = {
        "architecture": ", ".join(config.get("architectures") or []),
        "parameters": count(model.weights.parameters),
        "layers": config.get("num_hidden_layers"),
        "hidden size": config.get("hidden_size"),
        "feed-forward size": config.get("intermediate_size"),
        "attention heads (key/value)": f"{config.get('num_attention_heads')} ({config.get('num_key_value_heads')})",
        "vocabulary": config.get("vocab_size"),
        "context": config.get("max_position_embeddings"),
        "stored as": f"{dtype}, {count(stored.size)} bytes, files: {stored.files}",
    }
    return table(["", ""], [(name, value) for name, value in rows.items() if value])


def run_section(model: Model, stage: str) -> Facts:
    """What one run read."""
    record, seen = model.runs[stage], model.seen.get(stage)
    if seen:
        text = "Counted from the samples the run consumed (Megatron's blending index), not from its plan."
    elif stage in model.examples or record.examples:
        text = "Trained on examples, see below."
    else:
        text = "No sampling audit was found: what it read is not known."
    return {
        "title": f"{stage}: {training.TITLES[stage]}",
        "text": text,
        "table": training.seen_table(seen) if seen else "",
    }


def sources(corpus: Facts | None) -> str:
    """Where the text came from, and under which licence."""
    if corpus is None:
        return NO_FACTS
    rows = [
        [each["source"], each["lang"], each["kind"], each["license"] or "unknown", each["license_field"] or ""]
        for each in corpus["sources"]
    ]
    header = ["source", "language", "kind", "licence", "documents' own licence in field"]
    made = [each for each in corpus["datasets"] if each["kind"] != "real" and each["documents"]]
    names = ", ".join(f"{cell(each['name'])} ({each['kind']})" for each in made)
    derived = f"\n\nMade from these, under their licences: {names}." if made else ""
    return table(header, rows, numbers_from=5) + derived


def evaluation_parts(model: Model) -> list[str]:
    """Tables with a sentence each, or that there is nothing."""
    if model.evaluated_as is None:
        return ["No evaluation was found."]
    parts = []
    if tasks := evaluation.tasks_table(model):
        parts += ["Tasks; ± is the standard error over items:", tasks]
        if groups := evaluation.groups_table(model):
            parts += ["Means over groups of tasks:", groups]
        if signatures := evaluation.signatures(model):
            parts += ["Signatures of generation metrics: " + "; ".join(f"`{each}`" for each in signatures) + "."]
    if bits := evaluation.bits_table(model):
        parts += [
            HELD_OUT,
            bits,
        ]
    parts += [*findings.judgements(model), *findings.contamination(model)]
    return parts or ["The evaluation holds no figure of this model."]


def certificate(model: Model) -> str:
    """What `parity.json` says."""
    found = model.certificate
    if found is None:
        return "There is none: nobody has compared these weights with the checkpoint they were converted from."
    origin = (
        f"Converted from `{Path(found['source']).name}` (SHA-256 `{found['source_sha256']}`), "
        f"weights stored as {found['dtype']}."
    )
    if found.get("elements"):
        origin += (
            f" {count(found['tensors'])} tensors with {count(found['elements'])} weights were written; "
            f"{count(found['padding_rows'])} rows of vocabulary padding were left out."
        )
    if found.get("max_abs_logit_diff") is None:
        return f"{origin} Logits were not compared (`parity=false`)."
    return (
        f"{origin} Both models were run in fp32 on {count(found['positions'])} positions: logits differ by at most "
        f"{exponent(found['max_abs_logit_diff'])} (allowed: {exponent(found['tolerance'])}; the largest logit is "
        f"{decimal(found['max_abs_logit'])}), and the most likely token is the same in "
        f"{decimal(100 * found['argmax_agreement'])} % of them. Checksums of all files: `parity.json`."
    )


def versions(model: Model) -> str:
    """Versions and code of each run, and of the conversion."""
    columns = {stage: record.ground.get("versions", {}) for stage, record in model.runs.items()}
    if model.certificate:
        columns["conversion"] = model.certificate["versions"]
    names = dict.fromkeys(name for column in columns.values() for name in column)
    rows = [[name, *(column.get(name, "") for column in columns.values())] for name in names]
    commits = {
        "ground": {stage: record.ground.get("name", "unknown") for stage, record in model.runs.items()},
        "commit": {stage: git(record.git) for stage, record in model.runs.items()},
    }
    rows += [[name, *(found.get(column, "") for column in columns)] for name, found in commits.items() if found]
    return table(["", *columns], rows, numbers_from=len(columns) + 1) or "No versions were recorded."


def git(state: Facts) -> str:
    """A commit, and whether the code was that of the commit."""
    commit = str(state.get("commit") or "unknown")[:12]
    return f"{commit}, with changes" if state.get("modified") else commit
