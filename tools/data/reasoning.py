"""Numbers and space: GSM8K, SVAMP, StepGame."""

import re

from rows import Row, others, pick, rng


def number_text(value):
    return str(int(value)) if float(value).is_integer() else f"{value:.2f}".rstrip("0")


def four_numbers(right, candidates, *seed):
    """The right number and three others, the first candidates that differ, then numbers near the right one."""
    generator = rng("near", *seed)
    near = [right + step for step in (1, -1, 2, 10, -10)] + [right * 2, right / 2, right * 10]
    generator.shuffle(near)
    found = []
    for value in list(candidates) + near:
        whole = float(right).is_integer()
        if (
            value > 0
            and value != right
            and value not in found
            and value < 20 * (right + 50)
            and (not whole or float(value).is_integer())
        ):
            found.append(value)
    return [number_text(value) for value in [right] + found[:3]]


def gsm8k(source):
    """Wrong choices are steps on the way to the answer, numbers of the question, and numbers near the answer."""
    for split, name in (("train", "train"), ("test", "test")):
        path = f"grade_school_math/data/{name}.jsonl"
        for number, item in enumerate(source.jsonl(path)):
            steps, _, last = item["answer"].rpartition("####")
            right = float(last.replace(",", ""))
            if right <= 0:
                continue
            key = f"{name}-{number}"
            results = [float(value) for value in re.findall(r"=(\d+(?:\.\d+)?)>>", steps)]
            given = [
                float(value.replace(",", "")) for value in re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", item["question"])
            ]
            generator = rng("candidates", key)
            generator.shuffle(results)
            generator.shuffle(given)
            yield Row(key, item["question"], four_numbers(right, results[:2] + given[:1], key), path, split=split)


def svamp(source):
    """Wrong choices are what other operations on the same numbers give."""
    path = "SVAMP.json"
    for item in source.json(path):
        body = item["Body"].strip()
        question = f"{body}{'' if body.endswith(('.', '?', '!')) else '.'} {item['Question'].strip()}"
        right = float(item["Answer"])
        given = [float(value) for value in re.findall(r"\d+(?:\.\d+)?", item["Equation"])]
        pairs = [(a, b) for a in given for b in given if a != b]
        results = [value for a, b in pairs for value in (a + b, a - b, a * b, a / b if b else 0)] + given
        rng("candidates", item["ID"]).shuffle(results)
        if right > 0:
            yield Row(item["ID"], question, four_numbers(right, results, item["ID"]), path, label=item["Type"])


PLACES = {
    "left": ("left", "to the left"),
    "right": ("right", "to the right"),
    "above": ("above", "straight above"),
    "below": ("below", "straight below"),
    "upper-left": ("upper left", "above and to the left"),
    "upper-right": ("upper right", "above and to the right"),
    "lower-left": ("lower left", "below and to the left"),
    "lower-right": ("lower right", "below and to the right"),
    "overlap": ("overlapping", "in the same place"),
}
ASK_PLACE = (
    "Where is {} relative to {}?",
    "What is the position of {} seen from {}?",
    "In which direction from {1} is {0}?",
)
STEPS = {1: 5, 2: 3, 3: 2}  # steps of reasoning: share of the rows, in tenths


def stepgame(source):
    """One to three steps; most rows have one."""
    for split, name in (("", "train"), ("test", "test")):
        for steps, share in STEPS.items():
            path = f"Dataset/CompleteVersion/clean/qa{steps}_{name}.json"
            for number, item in source.json(path).items():
                key = f"{name}-{steps}-{number}"
                first, second = re.findall(r"agent (\w)", item["question"])
                if rng("share", key).random() * 10 >= share:
                    continue
                wording = rng("wording", key).randrange(2)
                labels = {place: texts[wording] for place, texts in PLACES.items()}
                right = labels[item["label"]]
                yield Row(
                    key,
                    pick(ASK_PLACE, key).format(first, second),
                    [right] + others(labels.values(), right, key, most=7),
                    path,
                    context=" ".join(item["story"]),
                    split=split,
                    task=f"stepgame_{steps}",
                    label=item["label"],
                    same=" ".join(item["story"]) + item["question"],
                )
