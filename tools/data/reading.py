"""Reading a passage: OneStopQA, XQuAD, GAP."""

import re

from rows import Row, pick, rng


def onestopqa(source):
    """Each question with its paragraph at three levels of English; split by article."""
    for path in source.files("annotations/annotated_articles"):
        article = path.rsplit("/", 1)[1].removesuffix(".txt")
        for number, part in enumerate(source.text(path).split("# Paragraph")[1:]):
            plain = re.sub(r"</?[AD]\d>", "", part)
            texts = dict(re.findall(r"^(Adv|Int|Ele):\s*(.+)$", plain, re.M))
            for index, block in enumerate(re.findall(r"^Q\d?:\s*(.+\n(?:[a-d]:.*\n?)+)", plain, re.M)):
                question, *answers = block.strip().split("\n")
                for level, text in texts.items():
                    yield Row(
                        f"{article}-{number}-{index}-{level.lower()}",
                        question,
                        [answer[2:].strip() for answer in answers],
                        path,
                        context=text,
                        group=article,
                        label=level,
                    )


def shape(text):
    """Answers of one shape can be taken for each other: numbers, names, other words; short or long."""
    kind = "number" if re.search(r"\d", text) else "name" if text[0].isupper() else "word"
    return kind, len(text.split()) > 4


def xquad(source):
    """The English part; wrong choices are answers to other questions of the passage, then of the article."""
    path = "xquad.en.json"
    for article in source.json(path)["data"]:
        everywhere = [qa["answers"][0]["text"] for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
        for paragraph in article["paragraphs"]:
            here = [qa["answers"][0]["text"] for qa in paragraph["qas"]]
            for qa in paragraph["qas"]:
                right = qa["answers"][0]["text"]
                near = sorted(
                    set(here + everywhere) - {right},
                    key=lambda text: (
                        shape(text) != shape(right),
                        text not in here,
                        rng("near", qa["id"], text).random(),
                    ),
                )
                wrong = [
                    text for text in near if text.lower() not in right.lower() and right.lower() not in text.lower()
                ][:3]
                yield Row(
                    qa["id"],
                    qa["question"],
                    [right] + wrong,
                    path,
                    context=paragraph["context"],
                    group=paragraph["context"],
                )


NOBODY = ("somebody else", "neither of them", "none of these")


def gap(source):
    """Who a pronoun stands for; the pronoun is shown with the words around it."""
    for split, name in (("train", "development"), ("validation", "validation"), ("test", "test")):
        path = f"gap-{name}.tsv"
        for record in source.csv(path, delimiter="\t", quoting=3):
            text, at, pronoun = record["Text"], int(record["Pronoun-offset"]), record["Pronoun"]
            before, after = text[:at].split()[-4:], text[at + len(pronoun) :].split()[:4]
            phrase = " ".join(before + [pronoun] + after)
            choices = [record["A"], record["B"], pick(NOBODY, record["ID"])]
            right = 0 if record["A-coref"] == "TRUE" else 1 if record["B-coref"] == "TRUE" else 2
            question = pick(
                (
                    f"In \"{phrase}\", who does \"{pronoun}\" refer to?",
                    f"Who is meant by \"{pronoun}\" in \"{phrase}\"?",
                    f"Whom does the word \"{pronoun}\" stand for in \"{phrase}\"?",
                ),
                record["ID"],
            )
            yield Row(
                record["ID"],
                question,
                [choices.pop(right)] + choices,
                path,
                context=text,
                split=split,
                label=str(right),
            )
