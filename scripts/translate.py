"""Bring the translations of impression and report up to date: cxrkit/locale/<language>/LC_MESSAGES/cxrkit.po and .mo.

  translate.py            merge the sentences of the code into each .po file, and compile it
  translate.py --check    write nothing; exit 1 when a sentence is not translated or a compiled file is stale

A sentence that is new, or has changed, gets an empty translation to fill in, and is named.
Needs Babel (requirements-dev.txt). Reading needs the compiled files alone.
"""

import argparse
import io
import string
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import cxrkit
from cxrkit.dashboard.ranking import RULES
from cxrkit.findings import every_text
from cxrkit.impression import DOMAIN, LANGUAGES, LOCALE
from cxrkit.quality import REASONS
from cxrkit.reading import DISCLAIMER

PACKAGE = Path(cxrkit.__file__).parent
SOURCES = ("impression.py", "dashboard/blanking.py", "serving/reading_report/*.py")
"""Where gettext is called."""
KEYWORDS = {"gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}


def sentences() -> Catalog:
    """Everything that is to be translated: templates of impression and report, names, meanings, rules and reasons."""
    wanted = Catalog()
    for source in (path for pattern in SOURCES for path in sorted(PACKAGE.glob(pattern))):
        for _, message, _, context in extract_from_file("python", source, keywords=KEYWORDS):
            wanted.add(message, context=context)
    named = (part for words in (*every_text(), *RULES.values()) for part in words)
    for text in (DISCLAIMER, *REASONS.values(), *named):
        wanted.add(text)
    return wanted


def merged(language: str, wanted: Catalog) -> Catalog:
    """The catalogue of a language with the sentences that are wanted and no others; none is guessed from another."""
    path = LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    catalog = read_po(io.BytesIO(path.read_bytes()), locale=language) if path.is_file() else Catalog(language)
    catalog.update(wanted, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    return catalog


def faults(catalog: Catalog) -> list[str]:
    """What is wrong with a catalogue: sentences without a translation, or with other places to fill in."""
    found = []
    for message in catalog:
        if not message.id:
            continue
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        forms = list(message.string or ()) if message.pluralizable else [message.string]
        if not forms or not all(forms) or (message.pluralizable and len(forms) != catalog.num_plurals):
            found.append(f"not translated: {ids[0]}")
        elif not all(fields(form) in [fields(each) for each in ids] for form in forms):
            found.append(f"other places to fill in: {ids[0]}")
    return found


def fields(text: str) -> set[str | None]:
    """Names of the places to fill in."""
    return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}


def written(catalog: Catalog, how: str) -> bytes:
    """The bytes of a .po or a .mo file; the same for the same translations, whenever they are made."""
    catalog.revision_date = catalog.creation_date = datetime(2026, 1, 1, tzinfo=UTC)
    catalog.header_comment = f"# {LANGUAGES[str(catalog.locale)]}: translations of impression and report. MIT License."
    catalog.project, catalog.version, catalog.fuzzy = DOMAIN, "1", False
    buffer = io.BytesIO()
    write_mo(buffer, catalog) if how == "mo" else write_po(buffer, catalog, width=110, omit_header=False)
    return buffer.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, merge or check; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, only say what is missing or stale")
    options = parser.parse_args(arguments)
    status, wanted = 0, sentences()
    for language in (code for code in LANGUAGES if code != "en"):
        catalog = merged(language, wanted)
        for fault in faults(catalog):
            print(f"{language}: {fault}", file=sys.stderr)
            status = 1
        for how in ("po", "mo"):
            path, data = LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.{how}", written(catalog, how)
            if not options.check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            elif not path.is_file() or path.read_bytes() != data:
                print(f"{language}: {path.name} is stale, run scripts/translate.py", file=sys.stderr)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
