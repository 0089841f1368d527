"""The whole preparation, ingest to audit: memory by stage as the corpus grows, speed by stage, and two workers.

    python -m benchmarks.prep [--documents 500] [--timed 40000] [--repetitions 3]

Documents are random sentences of the sample corpus, 20 each, in 16 files of Hindi and a quarter as many in English; a
chat example has three sentences. English is translated, and chats there and back, by a server that answers at once
(benchmarks/endpoint.py). The corpus at 4x and 16x has longer files. Each stage runs in a process of its own with what
it starts, so that its peak is its own. Memory is the largest sum of the resident memory of those processes, sampled
every 20 ms; CPU is theirs after start-up.

Some memory grows up to a bound: what the tokenizer learns from (`tokenizer.max_characters`, here 2 million), the pieces
of the perplexity model (5 million characters, reached from --documents 5000 on) and its n-grams where lmplz is not
built (5 million tokens; with `make lmplz`, `perplexity.memory`), and the finished segments of the examples stage
instruct has tried (`max_examples`, here 4,000 kept ones).

The last lines are the largest ratio of memory at 16x to 1x, and of wall time with one worker to two on `--timed` Hindi
documents without the engine's stages (medians of runs that take turns; the machine must have two free cores).
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from benchmarks.common import run_measured, table
from benchmarks.dedup import documents, sentences
from data_prep.layout import REPOSITORY_ROOT
from data_prep.pipeline import STAGES

SAMPLE = REPOSITORY_ROOT / "data_prep" / "sample_corpus"
GROWTH = (1, 4, 16)
FILES = 16
WITHOUT_ENGINE = ("translate.enabled=false", "perplexity.enabled=false", "instruct.translate.enabled=false")


@contextlib.contextmanager
def endpoint(folder: Path) -> Iterator[str]:
    """The address of a running translation server."""
    port = folder / "port"
    with subprocess.Popen([sys.executable, "-m", "benchmarks.endpoint", str(port)], cwd=REPOSITORY_ROOT) as server:
        while not port.exists() or not port.read_text():
            time.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{port.read_text()}/v1"
        finally:
            server.terminate()


def write_corpus(folder: Path, count: int, url: str) -> Path:
    """The files of all sources and the YAML that prepares them."""
    hindi, english = (sentences([SAMPLE / f"documents.{lang}.jsonl"]) for lang in ("hi", "en"))
    texts = {"hi": [(each.id, each.text) for each in documents(hindi, count)]}
    texts["en"] = [(each.id, own(each.text, each.id)) for each in documents(english, count // 4)]
    for lang, pairs in texts.items():
        (folder / lang).mkdir(parents=True)
        lines = [json.dumps({"id": name, "text": text}, ensure_ascii=False) for name, text in pairs]
        for number in range(FILES):
            (folder / lang / f"{number:02d}.jsonl").write_text("\n".join(lines[number::FILES]) + "\n", "utf-8")
    write_chats(folder / "chat.jsonl", english, count)
    config = folder / "prep.yaml"
    config.write_text(yaml.safe_dump(settings(folder, url)), "utf-8")
    return config


def own(text: str, name: str) -> str:
    """The text with words of its own, so that few sentences of the corpus are equal."""
    word = "".join("abcdefghij"[int(digit)] for digit in name if digit.isdigit())
    return text.replace(" the ", f" th{word} ").replace(" a ", f" a{word} ").replace(" is ", f" is{word} ")


def write_chats(path: Path, pool: list[str], count: int) -> None:
    """Short conversations."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            said = [own(pool[(number * step) % len(pool)], f"{number}") for step in (1, 2, 3)]
            turns = [{"role": "user", "content": said[0]}, {"role": "assistant", "content": " ".join(said[1:])}]
            file.write(json.dumps({"id": f"chat-{number}", "lang": "en-Latn", "messages": turns}) + "\n")


def settings(folder: Path, url: str) -> dict[str, object]:
    """A preparation with every stage on."""
    tags = {"kind": "real", "license": "CC0-1.0"}
    server = {"url": url, "model": "letters", "batch_segments": 200, "batch_characters": 40_000, "requests": 2}
    engine = {"use": "endpoint", "endpoint": server}
    return {
        "output_dir": str(folder / "data"),
        "sources": [
            {"path": str(folder / "hi"), "lang": "hi-Deva", "source": "web", **tags},
            {"path": str(folder / "en"), "lang": "en-Latn", "source": "edu", **tags},
        ],
        "clean": {"enabled": True},
        "translate": {"enabled": True, "engine": engine},
        "decontaminate": {
            "enabled": True,
            "eval_sets": [{"name": "sample", "path": str(SAMPLE / "eval_items.jsonl"), "id_field": "id"}],
        },
        "perplexity": {"enabled": True, "memory": "300M"},
        "tokenizer": {"vocab_size": 4096, "max_characters": 2_000_000},
        "instruct": {
            "chat": str(folder / "chat.jsonl"),
            "max_length": 4096,
            "translate": {
                "enabled": True,
                "sets": ["sft"],
                "engine": engine,
                "back_engine": engine,
                "max_examples": 4_000,
            },
        },
    }


def run(config: Path, *words: str) -> tuple[float, float, float]:
    """A run of prep: wall seconds, CPU seconds and peak megabytes of it and all it starts."""
    try:
        used = run_measured([sys.executable, "-m", "recipes.cli", "prep", str(config), *words])
    except subprocess.CalledProcessError as error:
        sys.exit(error.stderr)
    return used.wall, used.cpu, used.peak


def by_stage(config: Path) -> dict[str, tuple[float, float]]:
    """CPU seconds and peak megabytes of every stage, start-up taken off."""
    _, start_up, _ = run(config, "--dry-run")
    measured = {}
    for stage in STAGES:
        _, cpu, peak = run(config, stage)
        measured[stage] = max(cpu - start_up, 0.01), peak
    return measured


def one_against_two(config: Path, folder: Path, repetitions: int) -> dict[int, tuple[float, float]]:
    """Median wall and CPU seconds with one worker and with two, in turns."""
    timed: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for number in range(repetitions):
        for workers, runs in timed.items():
            out = folder / f"{workers}-{number}"
            runs.append(run(config, f"output_dir={out}", f"workers={workers}", *WITHOUT_ENGINE)[:2])
    pick: Callable[[int, int], float] = lambda workers, part: statistics.median(each[part] for each in timed[workers])  # noqa: E731
    return {workers: (pick(workers, 0), pick(workers, 1)) for workers in timed}


def main() -> None:
    """Prints both tables; the ratios are on the last lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=500, help="Hindi documents of the corpus at 1x (default 500)")
    parser.add_argument("--timed", type=int, default=40_000, help="Hindi documents with one worker and with two")
    parser.add_argument("--repetitions", type=int, default=3, help="of the comparison of one worker with two")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with endpoint(folder) as url:
            configs = {times: write_corpus(folder / str(times), given.documents * times, url) for times in GROWTH}
            measured = {times: by_stage(config) for times, config in configs.items()}
            timed_config = write_corpus(folder / "timed", given.timed, url)
        print_stages(measured, given.documents * GROWTH[-1])
        timed = one_against_two(timed_config, folder, given.repetitions)
    print(table(["workers", "wall s", "CPU s"], [[str(n), *(f"{each:.1f}" for each in timed[n])] for n in timed]))
    print_ratios(measured, timed)


def print_stages(measured: dict[int, dict[str, tuple[float, float]]], count: int) -> None:
    largest = measured[GROWTH[-1]]
    rows = [
        [
            stage,
            *(f"{measured[times][stage][1]:.0f}" for times in GROWTH),
            f"{largest[stage][0]:.1f}",
            f"{count / largest[stage][0]:,.0f}",
        ]
        for stage in STAGES
    ]
    header = ["stage", *(f"peak MB {times}x" for times in GROWTH), f"CPU s {GROWTH[-1]}x", "Hindi documents/CPU s"]
    print(table(header, rows), flush=True)


def print_ratios(measured: dict[int, dict[str, tuple[float, float]]], timed: dict[int, tuple[float, float]]) -> None:
    grown = max((measured[GROWTH[-1]][stage][1] / measured[1][stage][1], stage) for stage in STAGES)
    print(f"memory {GROWTH[-1]}x / 1x: {grown[0]:.2f} at most (stage {grown[1]})")
    print(
        f"one worker / two: {timed[1][0] / timed[2][0]:.2f} (wall time without the engine's stages; higher is better)"
    )


if __name__ == "__main__":
    main()
