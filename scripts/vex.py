#!/usr/bin/env python3
"""Writes which known vulnerabilities concern a courtside, and which do not: OpenVEX 0.2.0.

    scripts/vex.py FILE [--told LINES] [--database TEXT]

LINES is what cargo-deny says of every crate, one JSON a line (FORMAT=json scripts/advisories.sh). What a person has
found out about a vulnerability stands in packaging/vex.toml. Exit: 0 written · 1 written, and the database names one
that nobody has judged: find out whether it can be reached, and write that there
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
STATUSES = ("not_affected", "affected", "fixed", "under_investigation")


def main():
    asked = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    asked.add_argument("file", type=pathlib.Path)
    asked.add_argument("--told", type=pathlib.Path)
    asked.add_argument("--database", default="RustSec's database was NOT asked", help="what was asked, and of when")
    asked.add_argument("--judged", type=pathlib.Path, default=ROOT / "packaging/vex.toml")
    asked = asked.parse_args()
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(epoch)))
    product = {"@id": f"pkg:generic/courtside@{version}"}

    judged = tomllib.loads(asked.judged.read_text()).get("judged", [])
    statements, known = [], set()
    for each in judged:
        if each["status"] not in STATUSES:
            sys.exit(f"vex: {asked.judged}: {each['status']} is none of {', '.join(STATUSES)}")
        if each["status"] == "affected" and "action" not in each or \
                each["status"] == "not_affected" and "justification" not in each:
            sys.exit(f"vex: {asked.judged}: {each['vulnerability']}: `affected` wants `action`, `not_affected` `justification`")
        known |= {each["vulnerability"], *each.get("aliases", [])}
        statement = {"vulnerability": {"name": each["vulnerability"]},
                     "products": [product | {"subcomponents": [{"@id": each["in"]}]}], "status": each["status"]}
        if each.get("aliases"):
            statement["vulnerability"]["aliases"] = each["aliases"]
        if "because" in each:
            statement["impact_statement" if each["status"] == "not_affected" else "status_notes"] = each["because"]
        if "justification" in each:
            statement["justification"] = each["justification"]
        if "action" in each:
            statement["action_statement"] = each["action"]
        statements.append(statement)

    open_ = []
    for line in asked.told.read_text().splitlines() if asked.told else []:
        if not line.startswith("{"):
            continue
        fields = json.loads(line).get("fields", {})
        advisory = fields.get("advisory")
        if not advisory or known & {advisory["id"], *advisory["aliases"]}:
            continue
        crates = [g["Krate"] for g in fields.get("graphs", [])]
        open_.append(f"{advisory['id']}: {', '.join(c['name'] + ' ' + c['version'] for c in crates)}: {advisory['title']}")
        statement = {"vulnerability": {"name": advisory["id"]},
                     "products": [product | {"subcomponents": [
                         {"@id": f"pkg:cargo/{c['name']}@{c['version']}"} for c in crates]}],
                     "status": "under_investigation", "status_notes": advisory["title"]}
        if advisory["aliases"]:
            statement["vulnerability"]["aliases"] = advisory["aliases"]
        statements.append(statement)

    told = {"@context": "https://openvex.dev/ns/v0.2.0",
            "@id": f"https://courtside.invalid/vex/courtside-{version}-{epoch.strip()}",
            "author": "Courtside", "role": "maker of the software", "timestamp": when, "version": 1,
            "tooling": f"scripts/vex.py; {asked.database}", "statements": statements}
    asked.file.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    print(f"vex: {asked.file}: {len(statements)} vulnerabilities, {len(open_)} of them judged by nobody yet; {asked.database}")
    for each in open_:
        print(f"vex: NOT JUDGED: {each}")
    sys.exit(1 if open_ else 0)


main()
