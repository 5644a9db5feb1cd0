"""What follows from a text or a table: SNLI, Fool Me Twice, FOLIO, TabFact."""

from rows import Row, pick, rng

THREE_WAYS = (
    ("Is it true that: {}", "yes", "no", "maybe"),
    ("Judge this statement: {}", "true", "false", "cannot be known"),
    ("Does the text say that: {}", "yes", "no, the opposite", "it does not say"),
    ("What does the text tell about this statement? {}", "entailment", "contradiction", "neutral"),
)


def three_ways(statement, verdict, *seed):
    """Question and choices, the right one first; `verdict` 0 follows, 1 contradicts, 2 open."""
    form, *labels = pick(THREE_WAYS, *seed)
    return form.format(statement), [labels[verdict]] + [text for i, text in enumerate(labels) if i != verdict]


def snli(source):
    """The copy has a part of the corpus' dev and test files; we cut them anew, by picture."""
    verdicts = {"entailment": 0, "contradiction": 1, "neutral": 2}
    for name in ("dev", "test"):
        path = f"snli_1.0/snli_1.0_{name}.jsonl"
        for item in source.jsonl(path):
            if item["gold_label"] not in verdicts:
                continue
            question, choices = three_ways(item["sentence2"], verdicts[item["gold_label"]], item["pairID"])
            yield Row(
                f"{name}-{item['pairID']}",
                question,
                choices,
                path,
                context=item["sentence1"],
                label=item["gold_label"],
                group=item["captionID"].split("#")[0],
                same=item["sentence1"] + " / " + item["sentence2"],
            )


CLAIM_FORMS = (
    ("Does the text support or refute this claim? {}", "support", "refute"),
    ("According to the text, true or false? {}", "true", "false"),
    ("Is this right, given the text? {}", "yes", "no"),
    ("What does the evidence do with the claim \"{}\"?", "confirm it", "contradict it"),
)


def two_ways(forms, statement, holds, *seed):
    form, *labels = pick(forms, *seed)
    return form.format(statement), labels if holds else labels[::-1]


def fool_me_twice(source):
    for split, name in (("", "dev"), ("test", "test")):
        path = f"dataset/{name}.jsonl"
        for item in source.jsonl(path):
            key = f"{name}-{item['id']}"
            evidence = " ".join(part["text"].strip() for part in item["gold_evidence"])
            question, choices = two_ways(CLAIM_FORMS, item["text"].strip(), item["label"] == "SUPPORTS", key)
            yield Row(
                key,
                question,
                choices,
                path,
                context=evidence,
                split=split,
                label=item["label"],
                group=item["wikipedia_page"],
                same=item["text"],
            )


def folio(source):
    verdicts = {"True": 0, "False": 1, "Uncertain": 2, "Unknown": 2}
    for split, name in (("train", "train"), ("", "validation")):
        path = f"data/v0.0/folio-{name}.jsonl"
        for number, item in enumerate(source.jsonl(path)):
            premises = item["premises"] if isinstance(item["premises"], list) else item["premises"].split("\n")
            key = f"{name}-{number}"
            question, choices = three_ways(item["conclusion"].strip(), verdicts[item["label"]], key)
            yield Row(
                key,
                question,
                choices,
                path,
                context=" ".join(text.strip() for text in premises),
                split=split,
                label=item["label"],
                group=f"{name}-{item.get('story_id', number)}",
                same=" ".join(premises) + item["conclusion"],
            )


TABLE_FORMS = (
    ("Is this true of the table? {}", "yes", "no"),
    ("True or false, by the table: {}", "true", "false"),
    ("Does the table support or refute this? {}", "support", "refute"),
    ("Is this statement about the table right or wrong? {}", "right", "wrong"),
)
MOST_TABLE, STATEMENTS_A_TABLE = 480, 7


def tabfact(source):
    """Short tables, a few statements of each; the words are lower-case lemmas, as the authors give them."""
    for split, name in (("", "val"), ("test", "test")):
        path = f"tokenized_data/{name}_examples.json"
        for table, (statements, labels, caption) in source.json(path).items():
            grid = source.text(f"data/all_csv/{table}").strip().replace("#", " | ")
            if len(grid) > MOST_TABLE:
                continue
            chosen = rng("statements", table).sample(range(len(statements)), min(STATEMENTS_A_TABLE, len(statements)))
            for number in chosen:
                key = f"{name}-{table.removesuffix('.html.csv')}-{number}"
                question, choices = two_ways(TABLE_FORMS, statements[number], labels[number] == 1, key)
                yield Row(
                    key,
                    question,
                    choices,
                    path,
                    context=f"{caption}\n{grid}",
                    split=split,
                    label=str(labels[number]),
                    group=table,
                )
