"""What the lines of Markdown blocks look like (CommonMark 0.31, GitHub's tables and tasks, Pandoc's notes and math)."""

import re

NEWLINE = re.compile(r"\r\n?|\n")
INDENT = re.compile(r"[ \t]*")
LIST = re.compile(r"(?:[-+*]|\d{1,9}[.)])(?=[ \t]|$)")
TASK = re.compile(r"\[[ xX]\][ \t]+")
BULLET = re.compile(
    "(?:[•◦○●▪■□▸►‣⁃∙·✓✔✗➤→⇒–—]+|\\((?:\\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})\\)|(?:[A-Za-z]|[ivxIVX]{1,5})\\))[ \t]+"
)
FENCE = re.compile(r"(`{3,})[^`]*$|(~{3,})")
FENCE_END = re.compile(r"(`{3,}|~{3,})[ \t]*$")
HEADING = re.compile(r"#{1,6}(?:[ \t]+|$)")
HEADING_END = re.compile(r"(?:^|[ \t])#+$")
UNDERLINE = re.compile(r"(?:=+|-+)[ \t]*$")
RULE = re.compile(r"(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
DELIMITER_ROW = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?$")
FOOTNOTE = re.compile(r"\[\^[^\]\s]{1,200}\]:[ \t]*")
DEFINITION = re.compile(r"\[[^\]\r\n]{1,999}\]:[ \t]*(?P<target><[^<>\r\n]*>|\S*)(?:[ \t]+[\"'(].*)?$")
TITLE = re.compile(r"""["'(]""")
PIPE = re.compile(r"(?<!\\)\|")
CELL = re.compile(r"(?:\\\||[^|])+")
DIRECTIVE = re.compile(r":{3,}")
BEGIN = re.compile(r"\\begin\{([A-Za-z]+\*?)\}")
FRONT_MATTER = re.compile(r"(?P<fence>---|\+\+\+)[ \t]*(?:\r\n?|\n)(?=[\"']?\w[\w.-]*[\"']?[ \t]*[:=])")
FRONT_MATTER_END = {
    "---": re.compile(r"(?:\r\n?|\n)(?:---|\.\.\.)[ \t]*(?=\r|\n|\Z)"),
    "+++": re.compile(r"(?:\r\n?|\n)\+\+\+[ \t]*(?=\r|\n|\Z)"),
}
BLOCK_TAGS = (
    "address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|"
    "fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|"
    "menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|"
    "track|ul"
)
HTML_BLOCK = re.compile(rf"</?(?:{BLOCK_TAGS})(?=[\s>]|/>|$)", re.IGNORECASE)
HTML_LINE = re.compile(r"</?[A-Za-z][\w-]*(?:\s[^<>]*)?/?>[ \t]*$")
RAW = (
    (re.compile(r"<(?:script|pre|style|textarea)(?=[\s>]|$)", re.IGNORECASE), "</"),
    (re.compile(r"<!--"), "-->"),
    (re.compile(r"<\?"), "?>"),
    (re.compile(r"<!\[CDATA\["), "]]>"),
    (re.compile(r"<![A-Za-z]"), ">"),
)
RAW_TAG_END = re.compile(r"</(?:script|pre|style|textarea)>", re.IGNORECASE)
