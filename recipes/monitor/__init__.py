"""The forgetting monitor: what a run unlearns, language by language, while it learns another (docs/monitor.md).

Settings, token windows and decisions; nothing here imports NeMo. The readings are taken in `recipes.runtime.monitor`.
"""
