"""Turns what a maker yields into the train, validation and test files of a set.

A maker is a function of a Source that yields Row objects. Here they are cleaned, split, compared with the held-out
sets, sampled and written, with every random choice seeded by the name of the set and the key of the row.
"""

import dataclasses
import gzip
import hashlib
import json
import pathlib
import random
import re
import unicodedata
from collections import Counter, defaultdict

SPLITS = ("train", "validation", "test")
HELD_OUT = ("clinc150_intent", "openbookqa", "medqa", "pubmedqa", "mmlu", "bbh")
FIRST_SETS = (
    "arc_easy",
    "arc_challenge",
    "commonsenseqa",
    "qasc",
    "winogrande",
    "hellaswag",
    "boolq",
    "boolq_passage",
    "piqa",
    "banking77",
)
GRAM = 13  # words
MAX_CHARACTERS = 1200  # of context, question and longest choice together
MAX_CHOICES = 12
COARSE = re.compile(
    r"\b(\w*fuck\w*|\w*shit\w*|cunts?|nigg\w+|fag(got)?s?|retard(ed|s)?|whores?|sluts?|bitch\w*|porn\w*|pussy)\b", re.I
)


@dataclasses.dataclass
class Row:
    key: str  # unique in its set
    question: str
    choices: list  # the right one first; shuffled later
    path: str  # file it came from
    context: str = ""
    split: str = ""  # the authors' split; "" where we cut one
    group: str = ""  # rows of one group stay in one split
    label: str = ""  # what samples are balanced over; "" for nothing
    task: str = ""  # finer task; "" for the set's name
    same: str = ""  # two rows with the same text here are one; "" for question and context


def rng(*parts):
    """A random generator that depends on `parts` alone."""
    return random.Random("/".join(str(part) for part in parts))


def pick(options, *parts):
    return options[rng("pick", *parts).randrange(len(options))]


def others(labels, right, *parts, least=3, most=9):
    """`least` to `most` seeded labels other than `right`."""
    rest = sorted(set(labels) - {right})
    generator = rng("others", *parts)
    return generator.sample(rest, min(len(rest), generator.randint(least, most)))


def tidy(text):
    """Single line breaks and spaces, no other control characters."""
    text = unicodedata.normalize("NFC", text).replace("\r", "\n")
    lines = [" ".join(line.split()) for line in text.split("\n")]
    return "\n".join(line for line in lines if line)


def join_tokens(text):
    """Undoes the spaces that a tokenizer put around punctuation."""
    text = re.sub(r" ' (s|re|ve|ll|d|m|t)\b", r"'\1", text)
    text = re.sub(r" (n't|'s|'re|'ve|'ll|'d|'m)\b", r"\1", text)
    text = re.sub(r"\b(ca|wo|do|does|did|is|was|are|were|have|has|had|should|could|would) nt\b", r"\1n't", text)
    text = re.sub(r" ([.,;:!?%)\]])", r"\1", text)
    return re.sub(r"([(\[$]) ", r"\1", text)


def normal(text):
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def grams(text):
    words = normal(text).split()
    return {" ".join(words[i : i + GRAM]) for i in range(len(words) - GRAM + 1)}


def read_jsonl(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Guarded:
    """Texts that no row may repeat: those of the first sixteen sets, held out or not, and of what is added."""

    def __init__(self, data):
        self.texts, self.grams = set(), set()
        for name in HELD_OUT + FIRST_SETS:
            self.add(sorted((data / name).glob("*.jsonl.gz")))

    def add(self, paths):
        for row in (row for path in paths for row in read_jsonl(path)):
            self.texts |= {normal(row["question"] + " " + row["context"]), normal(row["context"] or row["question"])}
            for text in [row["question"], row["context"], *row["choices"]]:
                self.grams |= grams(text)

    def why(self, row):
        texts = (row.question + " " + row.context, row.context or row.question, row.same or row.question)
        if any(normal(text) in self.texts for text in texts):
            return "same text as a guarded row"
        if any(not self.grams.isdisjoint(grams(text)) for text in (row.question, row.context, *row.choices)):
            return "13 words of a guarded row"
        return ""


def flaw(row):
    """Why a row cannot be used, or ''."""
    texts = [row.question, row.context, *row.choices]
    if not row.question or not all(row.choices) or not all(normal(c) or len(c) > 1 for c in row.choices):
        return "empty text"
    if any(
        c in "\ufffd\u00ad" or unicodedata.category(c) in ("Cc", "Cs", "Co") and c != "\n" for t in texts for c in t
    ):
        return "unreadable character"
    if any(COARSE.search(text) for text in texts):
        return "coarse word"
    if not 2 <= len(row.choices) <= MAX_CHOICES:
        return "number of choices"
    if len({choice.lower() for choice in row.choices}) < len(row.choices):
        return "identical choices"
    if len(row.question) + len(row.context) + max(map(len, row.choices)) > MAX_CHARACTERS:
        return "too long"
    return ""


def clean(rows, guarded, dropped):
    """Usable rows, each once; copies that disagree are all dropped. Counts go to `dropped`."""
    kept = defaultdict(list)
    for row in rows:
        row.question, row.context = tidy(row.question), tidy(row.context)
        row.choices = [" ".join(choice.split()) for choice in row.choices]
        reason = flaw(row) or guarded.why(row)
        if reason:
            dropped[reason] += 1
        else:
            kept[normal(row.same or row.question + " " + row.context)].append(row)
    usable = []
    for copies in kept.values():
        dropped["repeated"] += len(copies) - 1
        if len({copy.label for copy in copies}) > 1 and len({copy.choices[0] for copy in copies}) > 1:
            dropped["copies disagree"] += 1
        else:
            usable.append(max(copies, key=lambda row: SPLITS.index(row.split or "train")))
    return usable


def deal(name, rows, sizes):
    """Rows by split: the authors' where they say, else cut by group; sampled to `sizes`."""
    by_split = {split: [row for row in rows if row.split == split] for split in SPLITS}
    free = defaultdict(list)
    for row in rows:
        if not row.split:
            free[row.group or row.key].append(row)
    waiting = [free[group] for group in sorted(free)]
    rng(name, "cut").shuffle(waiting)
    for split in ("test", "validation"):
        if not by_split[split]:
            pool = waiting if waiting else groups_of(by_split["train"], name)
            while pool and len(by_split[split]) < sizes[split]:
                by_split[split] += pool.pop()
            if not waiting:
                by_split["train"] = [row for group in pool for row in group]
    by_split["train"] += [row for group in waiting for row in group]
    return {split: sample(name + split, by_split[split], sizes[split]) for split in SPLITS}


def groups_of(rows, name):
    found = defaultdict(list)
    for row in rows:
        found[row.group or row.key].append(row)
    ordered = [found[group] for group in sorted(found)]
    rng(name, "cut", "train").shuffle(ordered)
    return ordered


def sample(seed, rows, most):
    """At most `most` rows in seeded random order, taken from the labels in turn."""
    rows = sorted(rows, key=lambda row: row.key)
    rng(seed, "rows").shuffle(rows)
    by_label = defaultdict(list)
    for row in rows:
        by_label[row.label].append(row)
    chosen = []
    while len(chosen) < most and any(by_label.values()):
        for label in sorted(by_label):
            if by_label[label] and len(chosen) < most:
                chosen.append(by_label[label].pop())
    rng(seed, "order").shuffle(chosen)
    return chosen


def finished(name, row, tag):
    order = list(range(len(row.choices)))
    rng(name, row.key, "order").shuffle(order)
    return {
        "id": f"{name}/{row.key}",
        "question": row.question,
        "context": row.context,
        "choices": [row.choices[i] for i in order],
        "answer": order.index(0),
        "task": row.task or name,
        "source": tag(row.path),
    }


def write(path, rows):
    """Writes the same bytes for the same rows."""
    text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file, gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
        packed.write(text.encode())


def make(name, maker, source, sizes, data, guarded):
    """Makes the files of one set in `data`/`name`. Returns what was dropped, by reason, and the rows by split."""
    dropped = Counter()
    found = list(maker(source))
    if len({row.key for row in found}) < len(found):
        raise SystemExit(f"{name}: keys are not unique: {Counter(row.key for row in found).most_common(3)}")
    splits = deal(name, clean(found, guarded, dropped), sizes)
    for split, rows in splits.items():
        write(pathlib.Path(data) / name / f"{split}.jsonl.gz", [finished(name, row, source.tag) for row in rows])
    return dropped, splits


def update_sums(data):
    """Rewrites SHA256SUMS over all files of all sets."""
    paths = sorted(path.relative_to(data) for path in data.glob("*/*.jsonl.gz"))
    (data / "SHA256SUMS").write_text(
        "".join(f"{hashlib.sha256((data / path).read_bytes()).hexdigest()}  {path}\n" for path in paths),
        encoding="utf-8",
    )
