"""Lays the facts of a run out as one self-contained HTML page.

Every figure and sentence is made in Python; the template only places them. Jinja2 escapes whatever it places, and the
page's content policy forbids it to load or run anything, so untrusted text stays text.
"""

from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recipes.report import charts, evaluation_views, paper, tasks_view, views, wording
from recipes.report.facts import Collected, Report
from recipes.report.files import RUNS, Facts
from recipes.report.views import View


def render(collected: Collected, name: str) -> str:
    """The whole page.

    Args:
        collected: What the run's folder says.
        name: Of the run, for the title.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (wording.count, wording.decimal, wording.percent, wording.duration, wording.language, wording.layout)
    more = (wording.exponent, wording.large, wording.signed)
    environment.filters.update({word.__name__: word for word in (*words, *more)})
    return environment.get_template("page.html.jinja").render(name=name, **sections(collected))


def sections(collected: Collected) -> View:
    """What the template places, section by section; a section whose stage has not run is empty."""
    report = collected.report
    runs = {stage: run for stage in RUNS if (run := report.run(stage)) is not None}
    return {
        "headline": wording.headline(report),
        "lede": wording.replay_sentence(report),
        "scale": wording.scale_sentence(report),
        "figures": key_figures(report),
        "chain": chain(collected),
        "bits": report.bits_per_byte and evaluation_views.bits_view(collected.evaluation or {}),
        "corpus": report.corpus and views.corpus_view(report.corpus),
        "fertility": report.fertility and views.fertility_view(report.fertility),
        "blends": {name: views.blend_view(blend) for name, blend in (report.blend or {}).items()},
        "runs": [views.run_view(stage, run, collected.curves[stage]) for stage, run in runs.items()],
        "forgetting": views.forgetting_view(collected.curves.get("cpt", {})),
        "idle_runs": [views.TITLES[stage] for stage in RUNS if stage not in runs],
        "preference": report.dpo
        and report.dpo["reward_margin"]
        and views.preference_view(report.dpo, collected.curves["dpo"]),
        "generations": collected.evaluation
        and evaluation_views.generations_view(collected.evaluation.get("generations", [])),
        "tasks": report.tasks and tasks_view.tasks_view(report.tasks),
        "paper": paper.reference(),
        "contamination": report.contamination and tasks_view.contamination_view(report.contamination),
        "judgements": [tasks_view.judgement_view(name, found) for name, found in (report.judgements or {}).items()],
        "parity": report.parity,
        "cards": report.cards,
        "time": time_view(report.seconds),
        "ground": report.ground and ground_view(collected),
    }


def chain(collected: Collected) -> list[View]:
    """The stages in order: what has run, what is under way, what has not run."""
    report = collected.report
    stages: list[tuple[str, Facts | None, Callable[[Facts], str]]] = [
        ("prep", report.corpus, lambda corpus: f"{wording.large(corpus['tokens'])} tokens"),
        ("fertility", report.fertility, lambda found: f"{len({row['lang'] for row in found['rows']})} languages"),
        ("blend", report.blend, lambda blend: f"planned for {' and '.join(blend)}"),
        *((stage, report.run(stage), lambda run: f"{run['steps']} steps") for stage in RUNS),
        ("convert", report.parity, lambda parity: f"{len(parity['models'])} models"),
        ("evaluate", collected.evaluation, evaluated),
    ]
    return [_link(*stage) for stage in stages]


def _link(name: str, facts: Facts | None, describe: Callable[[Facts], str]) -> View:
    if facts is None:
        return {"name": name, "state": "idle", "detail": "not run"}
    unfinished = facts.get("status") == "running"
    detail = describe(facts)
    return {"name": name, "state": "unfinished" if unfinished else "done", "detail": detail}


def evaluated(evaluation: Facts) -> str:
    """What an evaluation was on."""
    languages, tasks = len(evaluation.get("bits_per_byte", {})), len(evaluation.get("tasks") or {})
    parts = [f"{languages} languages"] * bool(languages) + [f"{tasks} tasks"] * bool(tasks)
    return ", ".join(parts)


def key_figures(report: Report) -> list[View]:
    """The row of numbers under the headline; only what was measured."""
    figures = []
    for lang, models in wording.measured(report).items():
        base, cpt = models["base"], models["cpt"]
        figures.append(
            {
                "value": wording.percent(cpt / base - 1, signed=True),
                "name": f"{wording.language(lang)}, bits per byte",
                "note": f"{wording.decimal(base)} → {wording.decimal(cpt)}",
            }
        )
    if report.dpo and report.dpo["reward_margin"]:
        margin = wording.decimal(report.dpo["reward_margin"]["last"])
        figures.append({"value": margin, "name": "DPO reward margin", "note": "nats, last step"})
    if report.parity and report.parity["max_abs_logit_diff"] is not None:
        note = f"to Hugging Face, {wording.count(report.parity['positions'])} positions"
        difference = wording.exponent(report.parity["max_abs_logit_diff"])
        figures.append({"value": difference, "name": "largest logit difference", "note": note})
    if report.seconds["total"]:
        note = f"{report.ground} ground" if report.ground else ""
        figures.append({"value": wording.duration(report.seconds["total"]), "name": "total time", "note": note})
    return figures


def time_view(seconds: Facts) -> list[View]:
    """One bar per stage, the longest filling the width."""
    stages = seconds["by_stage"]
    return [
        {
            "name": name,
            "seconds": value,
            "share": value / seconds["total"],
            "svg": charts.stacked_bar(
                [charts.Segment(value=value, colour=views.COLOURS.get(name, "c-prep"), title=wording.duration(value))],
                max(stages.values()),
                label=f"{name}: {wording.duration(value)}",
            ),
        }
        for name, value in stages.items()
        if seconds["total"]
    ]


def ground_view(collected: Collected) -> View:
    """What the last run stood on: patches by name with what each changes, versions, commit."""
    report = collected.report
    last = [run for stage in RUNS if (run := report.run(stage)) is not None][-1]
    return {
        "name": report.ground,
        "device": last["device"],
        "patches": patches(collected.missing_parts),
        "versions": report.versions,
        "git": last["git"],
    }


def patches(missing: tuple[str, ...]) -> list[View]:
    """The patches a run with these parts missing puts on, with the first line of their reason."""
    if not missing:
        return []
    from recipes.runtime.portable import PATCHES

    return [
        {"name": patch.name, "missing": patch.missing, "reason": (patch.apply.__doc__ or "").splitlines()[0]}
        for patch in PATCHES
        if patch.missing in missing
    ]
