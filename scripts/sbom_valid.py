"""Holds bills of materials to their formats' own schemas, by the formats' own libraries (scripts/release.sh).

    python scripts/sbom_valid.py FILE.cdx.json|FILE.spdx.json...    exit 0 all are valid · 1 which is not, and why
"""

import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document


def wrong(path):
    if path.endswith(".cdx.json"):
        found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(path, encoding="utf-8").read())
        return [found] if found else []
    try:
        return [m.validation_message for m in validate_full_spdx_document(parse_file(path), "SPDX-2.3")]
    except Exception as error:  # its parser has a class of errors for each kind
        return [error]


bad = False
for path in sys.argv[1:]:
    found = wrong(path)
    print(f"sbom: {path}: {'valid' if not found else 'NOT VALID'}")
    for each in found[:5]:
        print(f"sbom:   {str(each).splitlines()[0]}")
    bad = bad or bool(found)
sys.exit(bad)
