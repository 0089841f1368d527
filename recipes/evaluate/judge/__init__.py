"""Part `judge` of verb `evaluate`: a language model grades answers, over any OpenAI-compatible endpoint.

    langadapt evaluate judge nemo_configs/eval/judge.yaml endpoint.base_url=http://localhost:8000/v1 \
        endpoint.model=JUDGE answers.base=base.jsonl answers.cpt=cpt.jsonl output=runs/demo/judge.json

`items` gathers questions and answers, `prompts` says what the judge is told, `verdicts` reads its replies strictly,
`endpoint` sends one request, `asking` keeps every reply on disk and asks again, `results` adds up, `verb` holds
together.
"""

from recipes.evaluate.judge.verb import main

__all__ = ["main"]
