"""Facts and subjects: OpenTriviaQA, FewRel, NL2Bash, medical abstracts."""

import re

from rows import Row, others, pick, rng

TOPICS = {
    "animals": "animals",
    "geography": "geography",
    "history": "history",
    "literature": "literature",
    "science-technology": "science and technology",
    "music": "music",
    "movies": "films",
    "television": "television",
    "sports": "sports",
    "religion-faith": "religion",
    "video-games": "video games",
    "hobbies": "hobbies",
}
MORE_TRIVIA = ("humanities", "world", "people", "for-kids")
MIXED_UP = ({"films", "television"}, {"history", "geography"}, {"hobbies", "sports"})  # never offered together
ASK_TOPIC = (
    "What is this question about?",
    "Which category does this quiz question belong to?",
    "What is the topic?",
    "In which section of a quiz would this be asked?",
)


def trivia_items(source, category):
    path = f"categories/{category}"
    for number, block in enumerate(re.split(r"^#Q ", source.mixed(path), flags=re.M)[1:]):
        question, _, rest = block.partition("\n^ ")
        right, *lines = rest.split("\n")
        choices = [line[2:].strip() for line in lines if re.match(r"[A-F] ", line)]
        if right.strip() in choices and len(choices) >= 2:
            yield path, f"{category}-{number}", question, [right.strip()] + [c for c in choices if c != right.strip()]


def trivia(source):
    """Every other question of a category; of those to be judged true or false, one in six."""
    for category in (*TOPICS, *MORE_TRIVIA):
        for path, key, question, choices in trivia_items(source, category):
            judged = {choice.lower() for choice in choices} == {"true", "false"}
            if rng("half", key).random() < 0.5 or judged and rng("judged", key).random() > 1 / 6:
                continue
            yield Row(
                key, question, choices, path, label=category, task="trivia_" + category.replace("-", "_"), same=question
            )


def trivia_topic(source):
    """The category of the other half of the questions."""
    for category, label in TOPICS.items():
        for path, key, question, _ in trivia_items(source, category):
            if rng("half", key).random() >= 0.5 or len(question.split()) < 6:
                continue
            kin = set().union(*(pair for pair in MIXED_UP if label in pair))
            yield Row(
                key,
                pick(ASK_TOPIC, key),
                [label] + others(set(TOPICS.values()) - kin, label, key),
                path,
                context=question,
                label=label,
                same=question,
            )


RELATIONS = {
    "P177": ("crosses", "{h} crosses {t}"),
    "P364": ("original language", "{h} was made in the language {t}"),
    "P2094": ("competition class", "{h} competes in the class {t}"),
    "P361": ("part of", "{h} is a part of {t}"),
    "P641": ("sport", "{h} belongs to the sport {t}"),
    "P59": ("constellation", "{h} lies in the constellation {t}"),
    "P413": ("playing position", "{h} plays as {t}"),
    "P206": ("at the water", "{h} lies on the shore of {t}"),
    "P412": ("singing voice", "{h} sings as {t}"),
    "P155": ("follows", "{h} comes after {t}"),
    "P26": ("husband or wife", "{h} is married to {t}"),
    "P410": ("military rank", "{h} has the military rank {t}"),
    "P25": ("mother", "{t} is the mother of {h}"),
    "P463": ("member of", "{h} is a member of {t}"),
    "P40": ("child", "{t} is a child of {h}"),
    "P921": ("main subject", "{h} is about {t}"),
}
ALIKE = ({"P25", "P40"}, {"P361", "P463"}, {"P641", "P2094"})  # never offered together
ASK_RELATION = (
    "How are \"{h}\" and \"{t}\" related?",
    "What is the relation from \"{h}\" to \"{t}\"?",
    "What does the text say about \"{h}\" and \"{t}\"?",
)


def fewrel(source):
    """The 16 relations of the authors' validation part, as short labels or as sentences."""
    path = "data/val_wiki.json"
    for relation, items in source.json(path).items():
        for number, item in enumerate(items):
            words, key = item["tokens"], f"{relation}-{number}"
            names = {side: " ".join(words[i] for i in item[side][2][0]) for side in "ht"}
            form = rng("form", key).randrange(2)
            hidden = set().union(*(pair for pair in ALIKE if relation in pair)) - {relation}
            texts = {name: forms[form].format(**names) for name, forms in RELATIONS.items() if name not in hidden}
            sentence = re.sub(r" ([.,;:)'])", r"\1", " ".join(" ".join(words).split())).replace("( ", "(")
            question = pick(ASK_RELATION[:2] if not form else ASK_RELATION[2:], key).format(**names)
            yield Row(
                key,
                question,
                [texts[relation]] + others(texts.values(), texts[relation], key, most=7),
                path,
                context=sentence,
                label=relation,
                same=sentence + question,
            )


ASK_COMMAND = (
    "Which command does this: {}",
    "Which shell command fits this description: {}",
    "How is this done in a shell? {}",
)
ASK_PURPOSE = ("What does this command do? {}", "Which description fits this shell command: {}")


def nl2bash(source):
    """The command for a description or the reverse, all programs alike; up to two wrong choices use the same one."""
    described = list(zip(source.lines("data/bash/all.nl"), source.lines("data/bash/all.cm")))
    pairs = sorted(
        {
            (text.strip(), command.strip())
            for text, command in described
            if 20 <= len(text) <= 160 and 4 <= len(command) <= 120
        }
    )
    by_program = {}
    for pair in pairs:
        by_program.setdefault(pair[1].split()[0], []).append(pair)
    for number, pair in enumerate(pairs):
        words = set(pair[0].lower().split())
        kin = by_program[pair[1].split()[0]]
        generator = rng("wrong", number, pair[1])
        unlike = [
            other
            for other in generator.sample(kin, min(12, len(kin)))
            if len(words & set(other[0].lower().split())) < 0.4 * len(words)
        ]
        wrong = unlike[:2] + generator.sample(pairs, 6)
        wrong = [
            other
            for i, other in enumerate(wrong)
            if other[0] != pair[0] and other[1] != pair[1] and other not in wrong[:i]
        ][:3]
        to_command = generator.random() < 0.6
        asked, side = (pair[0], 1) if to_command else (pair[1], 0)
        yield Row(
            str(number),
            pick(ASK_COMMAND if to_command else ASK_PURPOSE, number).format(asked),
            [pair[side]] + [other[side] for other in wrong],
            "data/bash/all.cm",
            group=pair[1],
            label=pair[1].split()[0],
            task="nl2bash_command" if to_command else "nl2bash_purpose",
            same=asked,
        )


CONDITIONS = {
    "1": ("neoplasms", "cancer and other tumors"),
    "2": ("digestive system diseases", "diseases of stomach, bowel or liver"),
    "3": ("nervous system diseases", "diseases of brain and nerves"),
    "4": ("cardiovascular diseases", "diseases of heart and blood vessels"),
    "5": ("general pathological conditions", "other conditions"),
}
ASK_CONDITION = (
    "What kind of condition is this medical text about?",
    "Which group of diseases does the study deal with?",
    "To which field of medicine does this abstract belong?",
    "Choose the subject of this abstract.",
)
MOST_ABSTRACT = 600


def medical_abstracts(source):
    """The first sentences of each abstract."""
    path = "medical_tc_test.csv"
    for number, record in enumerate(source.csv(path)):
        text, key = record["medical_abstract"], f"test-{number}"
        while len(text) > MOST_ABSTRACT and ". " in text:
            text = text[: text.rindex(". ")] if not text.endswith(".") else text[:-1]
        wording = rng("wording", key).randrange(2)
        labels = [texts[wording] for texts in CONDITIONS.values()]
        right = CONDITIONS[record["condition_label"]][wording]
        yield Row(
            key,
            pick(ASK_CONDITION, key),
            [right] + [label for label in labels if label != right],
            path,
            context=text.rstrip(".") + ".",
            label=record["condition_label"],
            same=record["medical_abstract"],
        )
