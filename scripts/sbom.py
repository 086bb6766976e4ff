#!/usr/bin/env python3
"""Writes what a courtside is made of: CycloneDX 1.6 and SPDX 2.3, both JSON, the same facts in both.

    scripts/sbom.py INTO [--target TRIPLE] [--features LIST] [--binary FILE] [--shims FOLDER]

INTO/courtside-VERSION-ARCH.cdx.json and .spdx.json (make sbom). Crates are those that cargo resolves for this target
and these features, with the checksums of Cargo.lock; beside them what no cargo knows: Rust's standard library, the
models, the shims for TensorRT, the page's player, and what the package wants of the system. Crates that only build
(macros, build scripts, and what these alone need) are `excluded`, so nobody chases a hole in what is not shipped.
The same commit gives the same bytes: time is the commit's, names are derived, nothing is random.
Exit: 0 written · 1 something is not as this script knows it, and which
"""

import argparse
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHIPPED_BUNDLES = ("rimnet", "ballnet", "rimfinder")
NAMESPACE = uuid.UUID("6f0d2a55-2a7d-5a55-9d5b-0f1c6a1b7c11")


def fail(words):
    sys.exit(f"sbom: {words}")


def printed(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def licence(text):
    """The expression of SPDX for what crates wrote before there were expressions."""
    return re.sub(r"\s*/\s*", " OR ", text)


class Part:
    """One component: what both formats are written from."""

    def __init__(self, ref, kind, name, version=None, *, licence=None, sha256=None, purl=None, about=None,
                 shipped=True, ours=False, given=False, where=None):
        self.ref, self.kind, self.name, self.version = ref, kind, name, version
        self.licence, self.sha256, self.purl, self.about = licence, sha256, purl, about
        self.shipped, self.ours, self.given, self.where = shipped, ours, given, where
        self.needs = []


def crates(target, features):
    """Parts by cargo's id, the root's id, and which of them go into the binary."""
    command = [os.environ.get("CARGO", "cargo"), "metadata", "--locked", "--format-version", "1",
               "--filter-platform", target]
    if features is not None:
        command += ["--no-default-features", "--features", features]
    told = json.loads(printed(*command))
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    sums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    packages = {p["id"]: p for p in told["packages"]}
    nodes = {n["id"]: n for n in told["resolve"]["nodes"]}
    root = told["resolve"]["root"]

    def tree(edges):
        """What cargo compiles. Its metadata also names crates that features of others' optional crates want."""
        command_ = [os.environ.get("CARGO", "cargo"), "tree", "--locked", "--edges", edges, "--target", target,
                    "--prefix", "none", "--no-dedupe", "--format", "{p}"]
        if features is not None:
            command_ += ["--no-default-features", "--features", features]
        named = {tuple(line.split()[:2]) for line in printed(*command_).splitlines() if line}
        return {i for i, p in packages.items() if (p["name"], "v" + p["version"]) in named}

    inside, all_ = tree("normal,no-proc-macro"), tree("normal,build")
    parts = {}
    for each in sorted(all_, key=lambda i: (packages[i]["name"], packages[i]["version"])):
        p = packages[each]
        if each == root:
            continue
        if not p["license"]:
            fail(f"{p['name']} {p['version']} names no licence")
        if not sums.get((p["name"], p["version"])):
            fail(f"{p['name']} {p['version']} has no checksum in Cargo.lock")
        purl = f"pkg:cargo/{p['name']}@{p['version']}"
        parts[each] = Part(purl, "library", p["name"], p["version"], licence=licence(p["license"]), purl=purl,
                           sha256=sums[p["name"], p["version"]], about=p["description"], shipped=each in inside,
                           where=p["repository"])
    for each, part in parts.items():
        part.needs = sorted(parts[d["pkg"]].ref for d in nodes[each]["deps"]
                            if d["pkg"] in parts and any(k["kind"] in (None, "build") for k in d["dep_kinds"]))
    own = sorted(parts[d["pkg"]].ref for d in nodes[root]["deps"]
                 if d["pkg"] in parts and any(k["kind"] in (None, "build") for k in d["dep_kinds"]))
    return packages[root], list(parts.values()), own


def beside(shims):
    """What is shipped and is no crate."""
    parts = []
    rust = re.search(r"^release: (\S+)", printed("rustc", "-vV"), re.M)[1]
    parts.append(Part(f"pkg:generic/rust-std@{rust}", "library", "rust-std", rust, licence="MIT OR Apache-2.0",
                      purl=f"pkg:generic/rust-std@{rust}", about="Rust's standard library, linked in",
                      where="https://github.com/rust-lang/rust"))
    for name in SHIPPED_BUNDLES:
        folder = ROOT / "models" / name
        manifest = tomllib.loads((folder / "model.toml").read_text())
        bundle = Part(f"bundle:{name}", "machine-learning-model", name, manifest["version"], licence="Apache-2.0",
                      ours=True, sha256=sha256(folder / "model.toml"),
                      about=f"a bundle of models, task {manifest['task']}; the sum is its manifest's, which names its files'")
        parts.append(bundle)
        for file in manifest["file"]:
            if sha256(folder / file["path"]) != file["sha256"]:
                fail(f"{folder / file['path']} is not the file that its manifest names")
            parts.append(Part(f"bundle:{name}/{file['path']}", "file", file["path"], manifest["version"],
                              licence="Apache-2.0", ours=True, sha256=file["sha256"],
                              about=f"{file['precision']} for {file['device']}"))
            bundle.needs.append(parts[-1].ref)
    source = ROOT / "native" / "tensorrt" / "shim.cpp"
    abi = re.search(r"#define COURTSIDE_SHIM_ABI (\d+)", (source.parent / "shim.h").read_text())[1]
    shim = Part("shim:tensorrt", "library", "courtside-tensorrt-shim", f"abi-{abi}", licence="Apache-2.0", ours=True,
                sha256=sha256(source), about="native/tensorrt; the sum is its source's; TensorRT itself is not shipped")
    parts.append(shim)
    for object_ in sorted(pathlib.Path(shims).glob("*.so")) if shims else []:
        parts.append(Part(f"shim:tensorrt/{object_.name}", "file", object_.name, f"abi-{abi}", licence="Apache-2.0",
                          ours=True, sha256=sha256(object_), about="as `make shims` built it"))
        shim.needs.append(parts[-1].ref)
    told = (ROOT / "src/page/vendor/README.md").read_text()
    row = re.search(r"\| `(\S+)` \| hls\.js.*?\| ([\d.]+) \| (\S+) .*?`([0-9a-f]{64})` \|", told)
    if not row or sha256(ROOT / "src/page/vendor" / row[1]) != row[4]:
        fail("src/page/vendor/README.md does not name the hls.js that lies there")
    parts.append(Part(f"pkg:npm/hls.js@{row[2]}", "library", "hls.js", row[2], licence=row[3], sha256=row[4],
                      purl=f"pkg:npm/hls.js@{row[2]}", about=f"{row[1]}, in the binary", where="https://github.com/video-dev/hls.js"))
    depends = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["metadata"]["deb"]["depends"]
    for wanted in depends.split(","):
        name = wanted.split("|")[0].split("(")[0].strip()
        parts.append(Part(f"pkg:deb/debian/{name}", "library", name, licence=None, purl=f"pkg:deb/debian/{name}",
                          given=True, about=f"the system's, not shipped: {wanted.strip()}"))
    return parts


def cyclonedx(own, parts, direct, made):
    def component(part):
        told = {"type": part.kind, "bom-ref": part.ref, "name": part.name}
        if part.version:
            told["version"] = part.version
        if part.about:
            told["description"] = part.about.strip()
        if part.kind != "machine-learning-model":
            told["scope"] = "required" if part.shipped else "excluded"
        if part.sha256:
            told["hashes"] = [{"alg": "SHA-256", "content": part.sha256}]
        if part.licence:
            told["licenses"] = [{"expression": part.licence}]
        if part.purl:
            told["purl"] = part.purl
        if part.where and re.match(r"https?://\S+$", part.where):
            told["externalReferences"] = [{"type": "vcs", "url": part.where}]
        if part.given:
            told["properties"] = [{"name": "courtside:provided", "value": "by the system"}]
        return told

    bom = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, made['name'])}",
        "metadata": {"timestamp": made["time"], "component": component(own),
                     "properties": [{"name": "courtside:commit", "value": made["commit"]},
                                    {"name": "courtside:target", "value": made["target"]}]},
        "components": [component(p) for p in parts],
        "dependencies": [{"ref": own.ref, "dependsOn": direct}]
        + [{"ref": p.ref, "dependsOn": p.needs} if p.needs else {"ref": p.ref} for p in parts],
    }
    return bom


def spdx(own, parts, direct, made):
    names = {}

    def id_of(ref):
        if ref not in names:
            names[ref] = "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", ref).strip("-")
        return names[ref]

    def package(part):
        told = {
            "SPDXID": id_of(part.ref), "name": part.name,
            # Which registry gave a crate, its package URL says.
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "copyrightText": "NOASSERTION",
            "licenseConcluded": "NOASSERTION", "licenseDeclared": part.licence or "NOASSERTION",
            "primaryPackagePurpose": {"application": "APPLICATION", "file": "FILE"}.get(part.kind, "LIBRARY"),
        }
        if part.kind == "machine-learning-model":
            told["primaryPackagePurpose"] = "OTHER"
        if part.version:
            told["versionInfo"] = part.version
        if part.about:
            told["summary"] = part.about.strip()
        if part.ours:
            told["supplier"] = "Organization: Courtside"
        if part.sha256:
            told["checksums"] = [{"algorithm": "SHA256", "checksumValue": part.sha256}]
        if part.purl:
            told["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                     "referenceLocator": part.purl}]
        return told

    relations = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                  "relatedSpdxElement": id_of(own.ref)}]
    by_ref = {p.ref: p for p in parts}
    for one, needs in [(own, direct)] + [(p, p.needs) for p in parts]:
        for need in needs:
            other = by_ref[need]
            if other.kind == "file" or other.kind == "machine-learning-model":
                relations.append({"spdxElementId": id_of(one.ref), "relationshipType": "CONTAINS",
                                  "relatedSpdxElement": id_of(need)})
            elif other.shipped:
                relations.append({"spdxElementId": id_of(one.ref), "relationshipType": "DEPENDS_ON",
                                  "relatedSpdxElement": id_of(need)})
            else:
                relations.append({"spdxElementId": id_of(need), "relationshipType": "BUILD_DEPENDENCY_OF",
                                  "relatedSpdxElement": id_of(one.ref)})
    packages = [package(p) for p in [own] + parts]
    if len({p["SPDXID"] for p in packages}) != len(packages):
        fail("two parts have one SPDXID")
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": made["name"],
        "documentNamespace": f"https://courtside.invalid/spdx/{made['name']}-{uuid.uuid5(NAMESPACE, made['name'] + made['commit'])}",
        "creationInfo": {"created": made["time"], "creators": ["Organization: Courtside", "Tool: scripts/sbom.py"],
                         "comment": f"commit {made['commit']}, target {made['target']}"},
        "packages": packages, "relationships": relations,
    }


def main():
    asked = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    asked.add_argument("into", type=pathlib.Path)
    asked.add_argument("--target", default="x86_64-unknown-linux-gnu")
    asked.add_argument("--features", help="instead of the default ones")
    asked.add_argument("--binary", type=pathlib.Path, help="whose checksum the root has")
    asked.add_argument("--shims", type=pathlib.Path, help="folder of shims that are shipped beside it")
    asked = asked.parse_args()
    root, parts, direct = crates(asked.target, asked.features)
    others = beside(asked.shims)
    version, arch = root["version"], asked.target.split("-")[0]
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(arch, arch)
    own = Part(f"courtside@{version}", "application", "courtside", version, licence=root["license"], ours=True,
               about=root["description"], purl=f"pkg:generic/courtside@{version}",
               sha256=sha256(asked.binary) if asked.binary else None)
    files = {need for part in others for need in part.needs}
    direct = sorted(direct + [p.ref for p in others if p.ref not in files])
    made = {"name": f"courtside-{version}-{arch}", "target": asked.target,
            # Where the sources are no repository, or somebody else's, whoever builds says it.
            "commit": os.environ.get("COURTSIDE_COMMIT") or printed("git", "rev-parse", "HEAD").strip(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(
                os.environ.get("SOURCE_DATE_EPOCH") or printed("git", "log", "-1", "--format=%ct"))))}
    parts += others
    asked.into.mkdir(parents=True, exist_ok=True)
    for ending, told in (("cdx", cyclonedx(own, parts, direct, made)), ("spdx", spdx(own, parts, direct, made))):
        path = asked.into / f"{made['name']}.{ending}.json"
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        print(f"sbom: {path}")
    inside = sum(p.ref.startswith("pkg:cargo/") and p.shipped for p in parts)
    print(f"sbom: {inside} crates in the binary, {sum(not p.shipped for p in parts)} that only build, "
          f"{len(SHIPPED_BUNDLES)} bundles, and {sum(p.given for p in parts)} packages of the system")


main()
