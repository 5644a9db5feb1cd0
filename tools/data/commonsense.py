"""Everyday knowledge: CommonsenseQA 2.0, ComVE, e-CARE, CREAK, StrategyQA, Fig-QA, Cosmos QA."""

from rows import Row, join_tokens, pick, rng

TRUTH = (("true", "false"), ("correct", "wrong"), ("right", "not right"))
ASK_TRUTH = {
    "true": ("True or false?", "Is this statement true or false?"),
    "correct": ("Is this statement correct or wrong?", "Judge the statement."),
    "right": ("Is this right?", "Is what is said here right or not right?"),
}


def truth(is_true, *seed):
    """A wording of the question whether a statement is true, and its choices."""
    labels = pick(TRUTH, *seed)
    question = pick(ASK_TRUTH[labels[0]], "ask", *seed)
    return question, list(labels if is_true else labels[::-1])


def csqa2(source):
    """Questions are asked as they are; what was written as a statement is judged."""
    for split, name in (("train", "train"), ("test", "dev")):
        path = f"dataset/CSQA2_{name}.json.gz"
        for item in source.jsonl(path):
            key, text, is_true = f"{name}-{item['id']}", item["question"].strip(), item["answer"] == "yes"
            if text.endswith("?"):
                yield Row(
                    key,
                    text,
                    ["yes", "no"] if is_true else ["no", "yes"],
                    path,
                    split=split,
                    label=item["answer"],
                    same=text,
                )
            else:
                question, choices = truth(is_true, key)
                yield Row(key, question, choices, path, context=text, split=split, label=item["answer"], same=text)


ASK_SENSE = {
    True: (
        "Which statement makes sense?",
        "Which of these is possible?",
        "Which sentence is in line with common sense?",
    ),
    False: (
        "Which statement does not make sense?",
        "Which of these is against common sense?",
        "Which sentence says something absurd?",
    ),
}
ASK_REASON = (
    "Why does this statement not make sense?",
    "Why is this against common sense?",
    "What is the reason that this cannot be right?",
)


def comve_records(source):
    for split, name in (("train", "train"), ("validation", "dev"), ("test", "test")):
        path = f"ALL data/{name}.csv"
        for number, record in enumerate(source.csv(path)):
            yield split, path, f"{name}-{number}", {
                field.strip(): (text or "").strip() for field, text in record.items() if field
            }


def comve(source):
    for split, path, key, record in comve_records(source):
        pair = [record["Correct Statement"], record["Incorrect Statement"]]
        sense = rng("sense", *pair).random() < 0.5
        yield Row(
            key,
            pick(ASK_SENSE[sense], key),
            pair if sense else pair[::-1],
            path,
            split=split,
            label=str(sense),
            same=" ".join(pair),
        )


def comve_reason(source):
    for split, path, key, record in comve_records(source):
        statement = record["Incorrect Statement"]
        yield Row(
            key,
            pick(ASK_REASON, key),
            [record["Right Reason1"], record["Confusing Reason1"], record["Confusing Reason2"]],
            path,
            context=statement,
            split=split,
            same=statement,
        )


ASK_CAUSE = {
    "cause": ("What was the cause of this?", "Why did this happen?", "What most likely led to this?"),
    "effect": ("What happened as a result?", "What is the effect of this?", "What most likely follows from this?"),
}


def ecare(source):
    for split, name in (("train", "train"), ("test", "dev")):
        path = f"dataset/Causal_Reasoning/{name}.jsonl"
        for item in source.jsonl(path):
            choices = [item["hypothesis1"], item["hypothesis2"]]
            yield Row(
                item["index"],
                pick(ASK_CAUSE[item["ask-for"]], item["index"]),
                choices if item["label"] == 0 else choices[::-1],
                path,
                context=item["premise"],
                split=split,
                label=item["ask-for"],
                task="ecare_" + item["ask-for"],
                same=" ".join([item["premise"], *sorted(choices)]),
            )


def creak(source):
    """Claims that people made up about a thing or person; split by that thing or person."""
    for split, name in (("train", "train"), ("test", "dev")):
        path = f"data/creak/{name}.json"
        for item in source.jsonl(path):
            question, choices = truth(item["label"] == "true", item["ex_id"])
            yield Row(
                item["ex_id"],
                question,
                choices,
                path,
                context=item["sentence"],
                split=split,
                label=item["label"],
                group=item["entity"],
                same=item["sentence"],
            )


def strategyqa(source):
    """Half of the rows have the facts that answer them as context."""
    path = "data/strategyqa/train.json"
    for item in source.json(path):
        facts = rng("facts", item["qid"]).random() < 0.5
        yield Row(
            item["qid"],
            item["question"],
            ["yes", "no"] if item["answer"] else ["no", "yes"],
            path,
            context=" ".join(item["facts"]) if facts else "",
            label=str(item["answer"]) + str(facts),
            group=item["term"],
            task="strategyqa_facts" if facts else "strategyqa",
            same=item["question"],
        )


ASK_MEANING = (
    "What does this mean?",
    "What is meant by this?",
    "Which is the meaning of this comparison?",
    "In other words:",
)


def figqa(source):
    for split, name in (("train", "train_xl"), ("", "dev")):
        path = f"data/filtered/{name}.csv"
        for number, record in enumerate(source.csv(path)):
            if record["labels"] not in ("0", "1") or record["valid"] != "1":
                continue
            key, endings = f"{name}-{number}", [record["ending1"], record["ending2"]]
            yield Row(
                key,
                pick(ASK_MEANING, key),
                endings if record["labels"] == "0" else endings[::-1],
                path,
                context=record["startphrase"],
                split=split,
                group=f"{name}-{record['qid']}",
                same=record["startphrase"],
            )


def cosmosqa(source):
    path = "data/valid.csv"
    for number, record in enumerate(source.csv(path)):
        answers = [join_tokens(record[f"answer{i}"]) for i in range(4)]
        right = answers.pop(int(record["label"]))
        yield Row(
            f"valid-{number}",
            join_tokens(record["question"]),
            [right] + answers,
            path,
            context=join_tokens(record["context"]),
            group=record["context"],
        )
