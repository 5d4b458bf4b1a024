"""The forms of lookups, written from docs/FORMAT.md alone, with Python's own tables of Unicode.

    forms.py < strings    a JSON string a line; prints a JSON object of its forms, or null

`null` where Python's Unicode does not know a character: it may be older than the library's.
"""

import json
import sys
import unicodedata

ASCII_SPACE = "\t\n\x0b\x0c\r "

# PropList.txt, White_Space. `str.isspace` has U+001C to U+001F, too.
WHITE_SPACE = set("\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {chr(c) for c in range(0x2000, 0x200B)}


def ascii_lower(text):
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def text(value):
    normalize = unicodedata.normalize
    value = normalize("NFKC", normalize("NFKC", normalize("NFD", value).casefold()).casefold())
    spaced = "".join(" " if c in WHITE_SPACE else c for c in value)
    return " ".join(word for word in spaced.split(" ") if word)


FORMS = {
    "exact": lambda value: value,
    "email": lambda value: ascii_lower(value.strip(ASCII_SPACE)),
    "digits": lambda value: "".join(c for c in value if "0" <= c <= "9"),
    "alphanumeric": lambda value: "".join(c for c in ascii_lower(value) if "a" <= c <= "z" or "0" <= c <= "9"),
    "text": text,
}


def main():
    for line in sys.stdin.buffer:
        value = json.loads(line)
        known = all(unicodedata.category(c) != "Cn" for c in value)
        print(json.dumps({name: form(value) for name, form in FORMS.items()} if known else None))


if __name__ == "__main__":
    main()
