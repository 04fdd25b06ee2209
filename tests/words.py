"""Whether the text of a page stands in the reader's language: no code and no word of the other one.

A page has also words that are nobody's to translate: names of people, files and laws, what somebody typed, the heading
of somebody's sheet. They are recognised by where they stand; nothing is let pass by what it says.
"""

import re

CHINESE = re.compile(r"[\u4e00-\u9fff]")
# A person's Chinese name, a law's, an app's or its button's, a file's, the heading of somebody's sheet.
NAMES = re.compile(r"（[^（）]*）|Source: 《[^》]*》|“[^”]*”|\"[^\"]*\"|choose \S+|\S+\.xlsx|^(?:\[\w+\] )?[^:]+(?=: )")
WRITTEN = re.compile(
    "(?:Process cancelled|Cancelling began|Suspended|Resumed|Reason): "
)  # then come people's own words
# Latin words among Chinese ones: codes with a small letter. Ids, forms and file names have capitals, digits or a point.
CODE = re.compile(r"(?<![\w./@-])(?:[a-z]+_[a-z_]+|[a-z]{3,})(?![\w./@-])")
LATIN_WORDS = {"xlsx", "xls", "docx", "doc", "pdf", "csv", "png", "jpg", "jpeg"}  # kinds of files
QUOTED = re.compile(r"“[^”]*”")
SWITCH = "中文"  # the other language calls itself by its own name


def faults(text: str, lang: str) -> list[str]:
    """Lines with a code in them, or with words of the other language. A code in quotes is one, words are somebody's."""
    found: list[str] = []
    for line in (part.strip() for part in text.splitlines()):
        if WRITTEN.match(line):
            continue
        plain = NAMES.sub("", line)
        if lang == "en" and CHINESE.search(plain) and line != SWITCH:
            found.append(line)
        glued = re.search(r"[\u4e00-\u9fff][a-z]{3,}", plain)
        quoted = " ".join(QUOTED.findall(line)) if lang == "zh" and CHINESE.search(line) else ""
        codes = [w for w in CODE.findall(quoted) if w not in LATIN_WORDS]
        codes += [w for w in CODE.findall(plain) if lang == "zh" and w not in LATIN_WORDS]
        if glued or codes or re.search(r"\b[a-z]+(?:_[a-z]+)+\b", plain + " ".join(QUOTED.findall(line))):
            found.append(line)
    return found
