"""The YAML at the top of a card, in huggingface_hub's own classes."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from data_prep.documents import primary_language
from data_prep.errors import DataError
from recipes.card import evaluation
from recipes.card.facts import Facts, Model
from recipes.card.licenses import License, of_data
from recipes.card.training import languages

SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
    (10**10, "1B<n<10B"),
    (10**11, "10B<n<100B"),
    (10**12, "100B<n<1T"),
)
"""The hub's size categories, by the number of examples they lie below."""

STAGE_TAGS = {"base": "pretrained", "cpt": "continued-pretraining", "sft": "sft", "dpo": "dpo"}


def hub_languages(tags: Iterable[str]) -> list[str]:
    """ISO 639 codes, which the hub's `language` takes, of BCP-47 tags; `und` and what is no code is left out."""
    codes = {primary_language(tag) for tag in tags}
    return sorted(code for code in codes if re.fullmatch(r"[a-z]{2,3}", code) and code != "und")


def of_model(
    model: Model,
    *,
    name: str,
    terms: License,
    base_model: str | None,
    datasets: Sequence[str],
) -> Any:
    """A `ModelCardData`; what nothing says is left out."""
    from huggingface_hub import ModelCardData

    tags = languages(model)
    results = evaluation.results(model)
    return ModelCardData(
        language=hub_languages(tags) or None,
        license=terms.license,
        license_name=terms.license_name,
        license_link=terms.license_link,
        library_name="transformers",
        pipeline_tag="text-generation",
        base_model=base_model,
        datasets=list(datasets) or None,
        tags=[
            "langadapt",
            *filter(None, [model.config.get("model_type")]),
            *(STAGE_TAGS[stage] for stage in model.runs),
            *(["conversational"] if model.is_instruct and model.has_chat_template else []),
        ],
        language_bcp47=tags or None,
        metrics=sorted({each.metric_type for each in results}) or None,
        model_name=name if results else None,
        eval_results=results or None,
    )


def of_corpus(corpus: Facts, licenses: Iterable[str], *, name: str, configs: Sequence[Facts]) -> Any:
    """A `DatasetCardData`."""
    from huggingface_hub import DatasetCardData

    datasets = [each for each in corpus["datasets"] if each["is_finished"] and each["documents"]]
    kinds = {each["kind"] for each in datasets}
    tags = sorted({each["lang"] for each in datasets})
    codes = hub_languages(tags)
    return DatasetCardData(
        language=codes or None,
        language_bcp47=tags or None,
        license=of_data(licenses) or None,
        pretty_name=name,
        size_categories=size_category(sum(each["documents"] for each in datasets)),
        multilinguality=["multilingual" if len(codes) > 1 else "monolingual"]
        + (["translation"] if "translated" in kinds else []),
        language_creators=[
            *(["found"] if "real" in kinds else []),
            *(["machine-generated"] if kinds - {"real"} else []),
        ],
        annotations_creators=["no-annotation"],
        task_categories=["text-generation"],
        tags=["langadapt", *sorted(kinds)],
        configs=list(configs) or None,
    )


def size_category(documents: int) -> str:
    """The hub's word for a number of examples."""
    return next((word for limit, word in SIZES if documents < limit), "n>1T")


def check(text: str, card_class: type, where: str) -> Any:
    """Reads a card as huggingface_hub does when it is loaded or pushed; returns its data.

    Raises:
        DataError: Its metadata is missing or not what the hub takes.
    """
    import yaml

    try:
        data = card_class(text).data
        empty = not data.to_dict()
    except (ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise DataError(
            f"huggingface_hub cannot read this card's metadata: {str(error).splitlines()[0]}",
            where=where,
            fix="mend the YAML between the two lines of ---, or remove the file and run langadapt card again",
        ) from error
    if empty:
        raise DataError(
            "this card has no metadata",
            where=where,
            why="the hub would show no language, licence or results",
            fix="a card starts with YAML between two lines of ---; remove the file and run langadapt card again",
        )
    return data
