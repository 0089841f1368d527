from data_prep.blend.page import render
from data_prep.blend.plan import plan

from .wishes import PAPER, dataset, wishes


def test_the_page_shows_each_language_by_kind_and_each_dataset_with_its_reason() -> None:
    html = render(plan(PAPER, wishes()), "cpt")
    assert "<title>langadapt blend cpt</title>" in html
    assert "real: 80,000,000 tokens, machine-translated: 60,000,000 tokens, romanised: 60,000,000 tokens" in html
    assert '<rect class="k-real" x="0.00%" y="0" width="40.00%" height="100%">' in html
    assert "s.hi-Latn.romanized<small>hi gets 50% of the budget; romanized has preference 0.5</small>" in html
    assert "default-src 'none'" in html


def test_the_longest_bar_fills_the_width_and_shares_are_on_one_scale() -> None:
    """English: 200 of 420 there, half of what is drawn; real Hindi a tenth there, a fifth drawn."""
    html = render(plan(PAPER, wishes()), "cpt")
    for width in ("95.24", "100.00", "19.05", "40.00"):
        assert f'width="{width}%" height="100%"><title>share of what' in html


def test_names_are_text_not_markup() -> None:
    html = render(plan([*PAPER, dataset("hi-Deva", "real", 5, source="<b>")], wishes()), "cpt")
    assert "&lt;b&gt;.hi-Deva.real" in html
    assert "<b>" not in html
