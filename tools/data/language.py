"""Words and grammar: BLiMP, query well-formedness, Open English WordNet."""

import re
from collections import defaultdict

from rows import Row, pick, rng

ASK_GRAMMAR = (
    "Which sentence is grammatical?",
    "Which of these is correct English?",
    "Which sentence would a native speaker say?",
    "Which sentence has no grammatical error?",
)
ASK_ERROR = (
    ("Is this sentence grammatical?", "yes", "no"),
    ("Is this sentence acceptable English?", "acceptable", "unacceptable"),
    ("Does this sentence contain a grammatical error?", "no", "yes"),
    ("How is the grammar of this sentence?", "correct", "wrong"),
)
BLIMP_A_FILE = 60


def blimp(source):
    """Minimal pairs of 67 phenomena; in every fourth row one sentence is judged alone."""
    for path in source.files("data"):
        if not path.endswith(".jsonl"):
            continue
        items = source.jsonl(path)
        for item in rng("blimp", path).sample(items, BLIMP_A_FILE):
            key = f"{item['UID']}-{item['pairID']}"
            pair = [item["sentence_good"], item["sentence_bad"]]
            if rng("form", key).random() < 0.75:
                yield Row(
                    key,
                    pick(ASK_GRAMMAR, key),
                    pair,
                    path,
                    label=item["UID"],
                    task="blimp_" + item["field"].replace("/", "_"),
                    same=pair[0],
                )
            else:
                bad = rng("bad", key).randrange(2)
                question, *labels = pick(ASK_ERROR, key)
                yield Row(
                    key,
                    question,
                    labels[::-1] if bad else labels,
                    path,
                    context=pair[bad],
                    label=item["UID"],
                    task="blimp_judge",
                    same=pair[0],
                )


QUERY_FORMS = (
    ("Is this a well-formed question?", "yes", "no"),
    ("Is this question written correctly?", "yes", "no"),
    ("How is this question worded?", "well-formed", "badly formed"),
    ("Is this a proper question or a careless search query?", "proper question", "careless search query"),
)


def query_wellformed(source):
    """Queries on which at least four of five people agree."""
    for split, name in (("train", "train"), ("validation", "dev"), ("test", "test")):
        path = f"{name}.tsv"
        for number, line in enumerate(source.lines(path)):
            text, _, rating = line.strip().rpartition("\t")
            if not text or 0.2 < float(rating) < 0.8:
                continue
            good, key = float(rating) >= 0.8, f"{name}-{number}"
            question, *labels = pick(QUERY_FORMS, key)
            text = re.sub(r" ([?'])", r"\1", text)
            yield Row(
                key,
                question,
                labels if good else labels[::-1],
                path,
                context=text,
                split=split,
                label=str(good),
                same=text,
            )


UNKIND = re.compile(r"offensive|slur|disparag|obscene|vulgar|taboo|derogat|sexual|ethnic|genital|insult", re.I)
ASK_SENSE = ("What does \"{}\" mean in this sentence?", "Which meaning of \"{}\" is used here?", "Here, \"{}\" means:")


def scalar(text):
    """A plain or quoted YAML scalar on one line."""
    text = text.strip()
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    return text[1:-1].replace('\\"', '"') if text[:1] == '"' else text


def synsets(source):
    """The fields of each synset that are lists of plain texts. Reads the part of YAML that these files use."""
    for path in source.files("src/yaml"):
        name = path.rsplit("/", 1)[1]
        if not name.startswith(("noun.", "verb.", "adj.all", "adv.")):
            continue
        identity, field, found = "", "", {}
        for line in source.lines(path) + ["end:"]:
            indent, text = len(line) - len(line.lstrip(" ")), line.strip()
            if not indent and text:
                if identity:
                    yield identity, path, {key: [scalar(item) for item in items] for key, items in found.items()}
                identity, field, found = text.rstrip(":").strip("'"), "", defaultdict(list)
            elif indent == 2 and not text.startswith("- "):
                field = text.split(":")[0]
            elif indent == 2:
                found[field].append(text[2:])
            elif text and found[field]:
                found[field][-1] += " " + text


def word_sense(source):
    """The sense of a word in an example sentence, against its other senses of the same part of speech."""
    senses, places = defaultdict(list), {}
    for identity, path, fields in synsets(source):
        if not fields.get("definition") or UNKIND.search(fields["definition"][0]):
            continue
        places[identity] = path, fields
        for member in fields["members"]:
            senses[member.lower(), identity[-1].replace("s", "a")].append(fields["definition"][0])
    for identity, (path, fields) in places.items():
        for number, example in enumerate(fields.get("example", [])):
            if example.startswith(("source:", "text:")) or len(example.split()) < 4:
                continue
            for member in fields["members"]:
                used = re.search(rf"\b{re.escape(member)}(s|es|d|ed|ing)?\b", example, re.I)
                wrong = [
                    text
                    for text in senses[member.lower(), identity[-1].replace("s", "a")]
                    if text != fields["definition"][0]
                ]
                if used and wrong:
                    key = f"{identity}-{number}-{member}"
                    wrong = rng("wrong", key).sample(wrong, min(3, len(wrong)))
                    yield Row(
                        key,
                        pick(ASK_SENSE, key).format(used.group()),
                        [fields["definition"][0]] + wrong,
                        path,
                        context=example,
                        group=member,
                        task="word_sense_" + identity[-1].replace("s", "a"),
                        label=identity[-1],
                    )
                    break


ASK_WORD = {
    "define": ("Which word means: {}", "Which word fits this definition: {}", "What do you call this? {}"),
    "kind": ("What is \"{}\" a kind of?", "\"{}\" is a type of", "Under what does \"{}\" fall?"),
    "alike": (
        "Which word is closest in meaning to \"{}\"?",
        "What is another word for \"{}\"?",
        "Which is a synonym of \"{}\"?",
    ),
}


def word_meaning(source):
    """The word for a definition, the kind of a thing, the synonym of a word; wrong choices have the same kind."""
    nodes = {
        identity: (path, fields)
        for identity, path, fields in synsets(source)
        if fields.get("members")
        and fields.get("hypernym")
        and fields.get("definition")
        and not UNKIND.search(fields["definition"][0])
        and identity[-1] in "nv"
    }
    nouns = sorted(identity for identity in nodes if identity[-1] == "n")
    kin = defaultdict(list)
    for identity, (_, fields) in nodes.items():
        kin[fields["hypernym"][0]].append(identity)
    for identity, (path, fields) in nodes.items():
        word, parent = fields["members"][0], fields["hypernym"][0]
        siblings = [other for other in kin[parent] if other != identity]
        form = pick(("define", "kind", "alike"), "form", identity)
        if len(siblings) < 3 or not re.fullmatch("[a-z]{3,12}", word) or form != "kind" and not fields.get("example"):
            continue
        near = rng("near", identity).sample(siblings, 3)
        if form == "kind":
            if identity[-1] != "n" or parent not in nodes:
                continue
            far = rng("far", identity).sample(nouns, 12)
            far = [other for other in far if other not in (parent, identity, *kin[parent])][:3]
            choices, asked = [nodes[other][1]["members"][0] for other in [parent] + far], word
        elif form == "alike":
            if len(fields["members"]) < 2:
                continue
            choices = [fields["members"][1]] + [nodes[other][1]["members"][0] for other in near]
            asked = word
        else:
            choices, asked = [word] + [nodes[other][1]["members"][0] for other in near], fields["definition"][0]
        if (
            len({choice.lower() for choice in [word] + choices}) < (4 if form == "define" else 5)
            or asked.lower() == choices[0].lower()
        ):
            continue
        yield Row(
            f"{identity}-{form}",
            pick(ASK_WORD[form], identity).format(asked),
            choices,
            path,
            label=form,
            task="word_meaning_" + form,
            group=word,
        )
