#!/usr/bin/env python3
"""Makes the data sets of data/ that were added after the first sixteen, from local clones of public repositories.

usage: make.py --list
       make.py SET... --clone OWNER/NAME=FOLDER [--clone ...] [--data FOLDER]

--clone says where a clone of a repository is (bare or not); it must hold the commit that --list names. Files go to
data/SET/, SHA256SUMS is rewritten, and one line a set says how many rows there are and why others were dropped.
No row may repeat a row of the first sixteen sets or of a set that --list names earlier: these must lie in the data
folder.
"""

import argparse
import pathlib
import sys

import commonsense
import inference
import knowledge
import language
import messages
import opinions
import reading
import reasoning
import rows
from source import Source

COMMITS = {
    "xliuhw/NLU-Evaluation-Data": "f6071b496b17d71e6eb43f543af0707f4ff30557",
    "sonos/nlu-benchmark": "b86ac7f1577868c42158d0dec77db50956046696",
    "google-research-datasets/dstc8-schema-guided-dialogue": "e852981ae34990f4358979625854259302feaa78",
    "isabelhdias/sentiment-aware-conversational-agent": "a4b20ba2a74d87128e647437b47773211fedd503",
    "google-research-datasets/poem-sentiment": "612e9a1f86799126c68f0c5d9c3f1fc28f88068f",
    "bhargaviparanjape/clickbait": "203d979a81545ae6160ff45ffdac83e74469c97a",
    "CogComp/perspectrum": "b42c27b85f20f2a35c0a0895698fa242ccf160ab",
    "allenai/csqa2": "3f57a4a6a1d51fe6a9b462b59be67c08d41fdc39",
    "wangcunxiang/SemEval2020-Task4-Commonsense-Validation-and-Explanation": "c55b1a9e6cb66997675f85073e17a9522cf38c2c",
    "Waste-Wood/e-CARE": "c3b52648adcc919303a297a377811e24d703e197",
    "yasumasaonoe/creak": "5e892b28b6dad3e87769cfc01f00a6577ca44068",
    "eladsegal/strategyqa": "1ba1e97452e189569357876f2854b01357ffbe37",
    "nightingal3/Fig-QA": "fb638f847fb6ef0f336c6f6fd71a3a5311d0b48b",
    "wilburOne/cosmosqa": "b6eb99cca4e2a51dd28a9a6f562534872d851639",
    "Deltaus/sBiMPM": "8f1b040cd1a4b5ef3515a14b2a401906a5b82bbf",
    "google-research/fool-me-twice": "d9db753e5acf91c0d9bf543db327ab655661eb94",
    "Yale-LILY/FOLIO": "5d7bb84c7edab3fb358e057d2807f19cf5cf5e2d",
    "wenhuchen/Table-Fact-Checking": "2ab782ba42b5808076ac91fec846473aa5315a79",
    "berzak/onestop-qa": "7a058755e1ff0d3f835a67109c669c7e294d4239",
    "google-deepmind/xquad": "7d30520c717524000f0d9d2f9c10a069acd9d285",
    "google-research-datasets/gap-coreference": "83135f26025cdd705c04f77e940d0c9201116b80",
    "openai/grade-school-math": "3101c7d5072418e28b9008a6636bde82a006892c",
    "arkilpatel/SVAMP": "689d7ccac74b9983a2ac7cc3b264f441b99e7c53",
    "ZhengxiangShi/StepGame": "5e6aff1563a6d7f46ee1f1aeff98b94e68c29005",
    "alexwarstadt/blimp": "3e56b06fcabca9b30822fc66435fca6b1aa40bb1",
    "google-research-datasets/query-wellformedness": "fb69c21416195cddc797277ea9e4d393226571d2",
    "globalwordnet/english-wordnet": "d94538ad0df3d7a4c77837bde6af69d7a6592c32",
    "uberspot/OpenTriviaQA": "dd31530bfbb19f9505b160b89c9df4b1127e3c70",
    "thunlp/FewRel": "278a2315d2138810a379cd8d5718914dc56e2582",
    "TellinaTool/nl2bash": "466c5fe873ab08c7cc0112ea1521cc6ad9c20992",
    "sebischair/Medical-Abstracts-TC-Corpus": "70a2d9106c724729be8b3c4ddb00d1b14ec300c8",
}
SMALL = {"train": 1500, "validation": 200, "test": 200}  # sets of long rows
USUAL = {"train": 2400, "validation": 300, "test": 300}
# name: repository, maker, sizes
SETS = {
    # Development sets: never trained on, to choose between pools.
    "sgd_intents": (
        "google-research-datasets/dstc8-schema-guided-dialogue",
        messages.sgd_intents,
        {**SMALL, "test": 300},
    ),
    "cosmosqa": ("wilburOne/cosmosqa", commonsense.cosmosqa, {**SMALL, "test": 300}),
    "fool_me_twice": ("google-research/fool-me-twice", inference.fool_me_twice, {**SMALL, "test": 300}),
    "medical_abstracts": (
        "sebischair/Medical-Abstracts-TC-Corpus",
        knowledge.medical_abstracts,
        {**SMALL, "test": 300},
    ),
    # Sets that a pool may be trained on.
    "hwu64": ("xliuhw/NLU-Evaluation-Data", messages.hwu64, {**USUAL, "train": 3000}),
    "snips": ("sonos/nlu-benchmark", messages.snips, {**USUAL, "train": 1500}),
    "goemotions": ("isabelhdias/sentiment-aware-conversational-agent", opinions.goemotions, USUAL),
    "poem_sentiment": ("google-research-datasets/poem-sentiment", opinions.poem_sentiment, USUAL),
    "clickbait": ("bhargaviparanjape/clickbait", opinions.clickbait, USUAL),
    "perspectrum": ("CogComp/perspectrum", opinions.perspectrum, USUAL),
    "csqa2": ("allenai/csqa2", commonsense.csqa2, USUAL),
    "comve": ("wangcunxiang/SemEval2020-Task4-Commonsense-Validation-and-Explanation", commonsense.comve, USUAL),
    "comve_reason": (
        "wangcunxiang/SemEval2020-Task4-Commonsense-Validation-and-Explanation",
        commonsense.comve_reason,
        USUAL,
    ),
    "ecare": ("Waste-Wood/e-CARE", commonsense.ecare, USUAL),
    "creak": ("yasumasaonoe/creak", commonsense.creak, USUAL),
    "strategyqa": ("eladsegal/strategyqa", commonsense.strategyqa, SMALL),
    "figqa": ("nightingal3/Fig-QA", commonsense.figqa, USUAL),
    "snli": ("Deltaus/sBiMPM", inference.snli, USUAL),
    "folio": ("Yale-LILY/FOLIO", inference.folio, {**SMALL, "validation": 100, "test": 100}),
    "tabfact": ("wenhuchen/Table-Fact-Checking", inference.tabfact, SMALL),
    "onestopqa": ("berzak/onestop-qa", reading.onestopqa, {**SMALL, "validation": 150}),
    "xquad": ("google-deepmind/xquad", reading.xquad, {**SMALL, "validation": 100, "test": 150}),
    "gap": ("google-research-datasets/gap-coreference", reading.gap, SMALL),
    "gsm8k": ("openai/grade-school-math", reasoning.gsm8k, SMALL),
    "svamp": ("arkilpatel/SVAMP", reasoning.svamp, {**SMALL, "validation": 80, "test": 120}),
    "stepgame": ("ZhengxiangShi/StepGame", reasoning.stepgame, SMALL),
    "blimp": ("alexwarstadt/blimp", language.blimp, USUAL),
    "query_wellformed": ("google-research-datasets/query-wellformedness", language.query_wellformed, USUAL),
    "word_sense": ("globalwordnet/english-wordnet", language.word_sense, USUAL),
    "word_meaning": ("globalwordnet/english-wordnet", language.word_meaning, USUAL),
    "trivia": ("uberspot/OpenTriviaQA", knowledge.trivia, {**USUAL, "train": 3000}),
    "trivia_topic": ("uberspot/OpenTriviaQA", knowledge.trivia_topic, {**USUAL, "train": 1500}),
    "fewrel": ("thunlp/FewRel", knowledge.fewrel, SMALL),
    "nl2bash": ("TellinaTool/nl2bash", knowledge.nl2bash, USUAL),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET")
    parser.add_argument("--clone", action="append", default=[], metavar="OWNER/NAME=FOLDER")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(__file__).parents[2] / "data")
    parser.add_argument("--list", action="store_true", help="print each set with its repository and commit")
    args = parser.parse_args()
    if args.list:
        print("\n".join(f"{name} {repo} {COMMITS[repo]}" for name, (repo, _, _) in SETS.items()))
        return
    clones = dict(item.split("=", 1) for item in args.clone)
    unknown = [name for name in args.sets if name not in SETS]
    if unknown or not args.sets:
        sys.exit(f"make.py: unknown sets {unknown}; known are: {' '.join(SETS)}")
    guarded = rows.Guarded(args.data)
    last = max(list(SETS).index(name) for name in args.sets)
    for name, (repo, maker, sizes) in list(SETS.items())[: last + 1]:
        files = [args.data / name / f"{split}.jsonl.gz" for split in rows.SPLITS]
        if name not in args.sets:
            if not all(path.exists() for path in files):
                sys.exit(f"make.py: make {name} first: the sets after it may not repeat its rows")
            guarded.add(files)
            continue
        if repo not in clones:
            sys.exit(f"make.py: {name} needs --clone {repo}=FOLDER")
        dropped, splits = rows.make(name, maker, Source(repo, COMMITS[repo], clones[repo]), sizes, args.data, guarded)
        counts = ", ".join(f"{split} {len(found)}" for split, found in splits.items())
        print(f"{name}: {counts}; dropped: {dict(+dropped)}", flush=True)
        guarded.add(files)
    rows.update_sums(args.data)


if __name__ == "__main__":
    main()
