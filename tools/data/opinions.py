"""Feelings, taste and stance: GoEmotions, Poem Sentiment, clickbait, Perspectrum."""

from rows import Row, others, pick, rng

EMOTIONS = (
    "admiration",
    "amusement",
    "anger",
    "annoyance",
    "approval",
    "caring",
    "confusion",
    "curiosity",
    "desire",
    "disappointment",
    "disapproval",
    "disgust",
    "embarrassment",
    "excitement",
    "fear",
    "gratitude",
    "grief",
    "joy",
    "love",
    "nervousness",
    "optimism",
    "pride",
    "realization",
    "relief",
    "remorse",
    "sadness",
    "surprise",
    "neutral",
)
# Emotions of one group are not offered against each other: the annotators often took one for the other.
KIN = (
    {"admiration", "approval", "pride", "gratitude", "love", "caring"},
    {"anger", "annoyance", "disapproval", "disgust"},
    {"joy", "amusement", "excitement", "love", "relief", "gratitude"},
    {"sadness", "disappointment", "grief", "remorse", "embarrassment"},
    {"fear", "nervousness"},
    {"confusion", "curiosity", "realization", "surprise"},
    {"optimism", "desire", "caring", "approval"},
)
ASK_EMOTION = (
    "What emotion does this comment show?",
    "Which feeling does the writer express?",
    "How does the writer of this comment feel?",
    "Name the emotion in this message.",
)


def goemotions(source):
    """Comments with one emotion; the wrong emotions are of other groups."""
    for split, name in (("train", "train"), ("validation", "dev"), ("test", "test")):
        path = f"data/goemotions/{name}.tsv"
        for number, line in enumerate(source.lines(path)[1:]):
            text, _, rest = line.partition("\t")
            label = rest.split("\t")[0]
            if not label.isdigit() or len(text) < 15:
                continue
            right, key = EMOTIONS[int(label)], f"{name}-{number}"
            if right == "neutral":
                wrong = others(EMOTIONS, right, key, most=7)
            else:
                kin = set().union(*(group for group in KIN if right in group))
                wrong = others(set(EMOTIONS) - kin - {"neutral"}, right, key, most=7)
            yield Row(
                key, pick(ASK_EMOTION, key), [right] + wrong, path, context=text, split=split, label=right, same=text
            )


MOODS = {
    "-1": ("negative", "sad or dark", "bad"),
    "1": ("positive", "happy or bright", "good"),
    "0": ("neutral", "neither happy nor sad", "indifferent"),
    "2": ("mixed", "both happy and sad", "partly good, partly bad"),
}
ASK_MOOD = (
    "What is the sentiment of this line of a poem?",
    "What mood does this verse have?",
    "How does this line of poetry sound?",
    "Classify the feeling of this verse.",
)


def poem_sentiment(source):
    for split, name in (("train", "train"), ("validation", "dev"), ("test", "test")):
        path = f"data/{name}.tsv"
        for line in source.lines(path):
            if not line.strip():
                continue
            number, text, label = line.split("\t")
            key = f"{name}-{number}"
            wording = rng("wording", key).randrange(3)
            wrong = [texts[wording] for mood, texts in MOODS.items() if mood != label.strip()]
            yield Row(
                key,
                pick(ASK_MOOD, key),
                [MOODS[label.strip()][wording]] + wrong,
                path,
                context=text,
                split=split,
                label=label.strip(),
                same=text,
            )


HEADLINE_FORMS = (
    ("What kind of headline is this?", "clickbait", "news"),
    ("Is this headline clickbait?", "yes", "no"),
    ("Does this headline come from a news agency or from a clickbait site?", "clickbait site", "news agency"),
    ("What is this headline meant to do?", "lure readers into clicking", "report an event"),
)


def clickbait(source):
    for index, path in enumerate(("dataset/clickbait_data.gz", "dataset/non_clickbait_data.gz")):
        for number, line in enumerate(source.lines(path)):
            if len(line.split()) < 4:
                continue
            key = f"{('clickbait', 'news')[index]}-{number}"
            question, *labels = pick(HEADLINE_FORMS, key)
            yield Row(
                key, question, [labels[index], labels[1 - index]], path, context=line, label=str(index), same=line
            )


STANCE_FORMS = (
    ("Does the argument support or oppose the claim?", "support", "oppose"),
    ("Is the speaker for or against the claim?", "for", "against"),
    ("Does the argument agree with the claim?", "yes", "no"),
    ("What is the argument's stance on the claim?", "in favor", "opposed"),
)
ASK_SIDE = {
    "SUPPORT": (
        "Which argument supports this claim?",
        "What would someone who agrees say?",
        "Which of these speaks for the claim?",
    ),
    "UNDERMINE": (
        "Which argument opposes this claim?",
        "What would someone who disagrees say?",
        "Which of these speaks against the claim?",
    ),
}


def perspectrum(source):
    """One argument's stance on a claim, or the one argument of a side among arguments of the other side."""
    folder = "data/dataset/"
    split_of = source.json(folder + "dataset_split_v1.0.json")
    texts = {item["pId"]: item["text"] for item in source.json(folder + "perspective_pool_v1.0.json")}
    path = folder + "perspectrum_with_answers_v1.0.json"
    for claim in source.json(path):
        split = {"dev": "validation"}.get(split_of[str(claim["cId"])], split_of[str(claim["cId"])])
        sides = {
            side: [texts[cluster["pids"][0]] for cluster in claim["perspectives"] if cluster["stance_label_3"] == side]
            for side in ("SUPPORT", "UNDERMINE")
        }
        for index, (side, arguments) in enumerate(sides.items()):
            for number, argument in enumerate(arguments):
                key = f"{claim['cId']}-{side.lower()}-{number}"
                against = list(sides.values())[1 - index]
                if against and rng("form", key).random() < 0.5:
                    wrong = rng("wrong", key).sample(sorted(set(against)), min(3, len(set(against))))
                    yield Row(
                        key,
                        pick(ASK_SIDE[side], key),
                        [argument] + wrong,
                        path,
                        context="Claim: " + claim["text"],
                        split=split,
                        label=side,
                        task="perspectrum_choose",
                        same=claim["text"] + argument,
                    )
                else:
                    question, *labels = pick(STANCE_FORMS, key)
                    yield Row(
                        key,
                        question,
                        [labels[index], labels[1 - index]],
                        path,
                        split=split,
                        label=side,
                        context=f"Claim: {claim['text']}\nArgument: {argument}",
                        task="perspectrum_stance",
                        same=claim["text"] + argument,
                    )
