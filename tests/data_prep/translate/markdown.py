"""Tricky documents, engines that change every word, and the skeleton of a document according to markdown-it-py."""

import re

from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from data_prep.translate.protect import PLACEHOLDER, mask, translatable, unmask
from data_prep.translate.rebuild import rebuild, segments
from data_prep.translate.spans import cut

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_TAG = re.compile(r"<[^<>!]*>")

CASES = {
    "nested lists": """\
- first item
  - second level, *emphasis* and `code`
    goes on here
    1. third level
    2. third level again

       A paragraph in the third level.

  - [ ] a task
  - [x] done

* another list
* with two items
""",
    "table": """\
| Name | Meaning | Price |
|:-----|:-------:|------:|
| Foo \\| bar | **bold** and [a link](http://x.org/a_b) | $5.00 |
| `a | only two |
|  | | |
Name | no outer pipes
and then text
""",
    "code": """\
Before the fence:

```python
def f(x):  # not text
    return "Hello. World"
```

   ~~~~ info
   ~~~
   still code
   ~~~~

    indented code here

Text with `` a ` tick `` and `code`. Done.

- item

      code in an item

  paragraph in the item
""",
    "inline markup": """\
**All of it bold. Two sentences.** Then ***more***, ~~gone~~ and _this_ or __that__.

A [link *with* emphasis](<http://x.org/a b> "The title"), ![an image](img.png), [![badge](b.svg)](http://ci.org).
An autolink <https://example.com/x>, <me@example.org>, a <b>tag</b> and a snake_case_name. 2 * 3 * 4 is 24.
Escapes: \\*not emphasis\\*, &amp; and &#169;. Half ** open and [not a link].
""",
    "quotes and line breaks": (
        "> A quoted paragraph that an editor wrapped at about\n"
        "> seventy characters, with a **bold word that goes on\n"
        "> over the line**. It has two sentences.\n>\n"
        "> > nested quote  \n> > second line after a hard break\\\n> > third line\n"
        "lazy line of the quote\n\n"
        "Trailing spaces   \nand tabs\t\n\n\n\nThree empty lines above.\n"
    ),
    "headings and rules": """\
# Heading **one** ##
## Two
Setext title
============

Another
---

***
Text
___
###### Six ######
#not a heading
""",
    "html": """\
<div class="note"
     id="x">
<p>A paragraph in <b>html</b>. Two sentences.</p>
<ul><li>One</li><li>Two</li></ul>
</div>

<script>
var x = "Hello world";

var y = 1;
</script>

<!-- a comment
over lines -->
Text after it<br>and after a break, H<sub>2</sub>O.
""",
    "references": """\
See [the docs][docs], [docs], [Docs][] and a note.[^1] Next sentence.

[docs]: http://example.org/docs "The documentation"
[other]:
  http://example.org/other
[^1]: The text of the note.
""",
    "front matter": """\
---
title: "A title"
tags: [a, b]
---
The first paragraph.
""",
    "placeholders and math": """\
Hello {name}, you have %d messages from %(sender)s; {{ count }} and <0>rich text</0>, ${HOME}/bin.
Energy is $E = mc^2$, it costs $5 or $10. Write to a.b@c.org, see www.example.com/a(b)_c. It is 10:30 on 2024-01-05.

$$
x = \\frac{1}{2} and text
$$

Inline \\(a+b\\) too.
""",
    "bullets of other kinds": "• one\n• two\n\n(a) first\n(b) second\n\na) x\n\n→ arrow\n\nColumn\tother column\n",
    "hindi": "## शीर्षक\n\n- हिंदी में **मोटा** पाठ। दूसरा वाक्य।\n- क्‍या [कड़ी](http://x.in) है?\n\n> उद्धरण १२३\n",
}
CASES |= {f"{name}, CRLF": text.replace("\n", "\r\n") for name, text in CASES.items()}

_FRAGMENTS = st.sampled_from(
    [
        *[
            "word ",
            "Two words. ",
            "It's 5 % of 10. ",
            "हिंदी ",
            "\n",
            "\n",
            "\n\n",
            "\r\n",
            "  \n",
            "\\\n",
            "\t",
            "    ",
        ],
        *["- ", "* ", "1. ", "> ", "# ", "## x\n", "```\n", "~~~\n", "`", "``", "**", "*", "_", "__", "~~", "[", "]"],
        *["](u)", "![", "[x][y]", "[y]: /u\n", "[^1]", "<b>", "</b>", "<div>\n", "</div>\n", "<br>", "|"],
        *["| a | b |\n|---|---|\n", "---\n", "===\n", "\\", "\\*", "&amp;", "http://a.b/c_d*", "a@b.org", "$x$"],
        *[
            "{n}",
            "%s",
            "<!--",
            "-->",
            "<ID1>",
            "ID 5 ",
            "[ID 2]",
            "ıd 3",
            "(",
            ")",
            "!",
            ".",
            ":",
            "•  ",
            "[ ] ",
            "\u2028",
        ],
    ]
)
SOUP = st.lists(_FRAGMENTS, max_size=30).map("".join)
"""Markdown as nobody writes it."""


def skeleton(text: str) -> list[object]:
    """The token tree of a document with its text removed; code, targets, tags and source lines stay.

    A line break inside a sentence is white space to CommonMark: how many a paragraph has is part of the skeleton, not
    between which of its words.
    """
    return [_bones(token) for token in _PARSER.parse(text)]


def _bones(token: Token) -> object:
    content = token.content
    if token.type == "html_block":
        content = "".join(_TAG.findall(content))
    elif token.type in ("inline", "image", "text"):
        content = ""
    children = [_bones(child) for child in token.children or () if child.type not in ("text", "softbreak")]
    wrapped = sum(child.type == "softbreak" for child in token.children or ())
    own = (token.type, token.tag, token.map, token.markup, token.info, sorted(token.attrs.items()))
    return own, content, wrapped, children


def shout(text: str) -> str:
    """An engine that changes every letter."""
    return _words(text, lambda words: words.upper().replace("ा", "ो"))


def hindi(text: str) -> str:
    """An engine that writes Hindi, twice as long."""
    return _words(text, lambda words: re.sub(r"[^\W\d_]+", "क्षेत्र में", words))


def _words(text: str, change):
    position, parts = 0, []
    for found in PLACEHOLDER.finditer(text):
        parts += [change(text[position : found.start()]), found[0]]
        position = found.end()
    return "".join([*parts, change(text[position:])])


def translate(text: str, engine, lang: str = "en-Latn") -> str:
    """The document through an engine; segments that cannot be put back stay, as in the stage."""
    spans = cut(text, lang=lang)
    translations = []
    for original in segments(text, spans):
        masked = mask(original)
        done = unmask(engine(masked.text), masked.protected) if translatable(masked) else original
        translations.append(original if done is None else done)
    return rebuild(text, spans, translations)
