#!/usr/bin/env python3
"""Tests of what makes the added data sets."""

import pathlib
import tempfile
import unittest
from collections import Counter

import rows
from rows import Row


class NothingGuarded:
    def why(self, _):
        return ""


def row(key, **fields):
    return Row(key, **{"question": f"Is {key} right?", "choices": ["yes", "no"], "path": "file", **fields})


class Cleaning(unittest.TestCase):
    def clean(self, found, guarded=NothingGuarded()):
        dropped = Counter()
        return [item.key for item in rows.clean(found, guarded, dropped)], dropped

    def test_drops_identical_choices_long_and_unreadable_rows_and_says_so(self):
        kept, dropped = self.clean(
            [row("a"), row("b", choices=["Yes", "yes"]), row("c", context="x" * 1300), row("d", question="what\ufffd?")]
        )
        self.assertEqual(kept, ["a"])
        self.assertEqual(dropped, {"identical choices": 1, "too long": 1, "unreadable character": 1, "repeated": 0})

    def test_keeps_a_repeated_row_once_in_the_later_split(self):
        kept, dropped = self.clean(
            [row("a", same="same text", split="train"), row("b", same="Same, text!", split="test")]
        )
        self.assertEqual(kept, ["b"])
        self.assertEqual(dropped["repeated"], 1)

    def test_drops_all_copies_that_disagree(self):
        kept, _ = self.clean(
            [row("a", same="text", label="1"), row("b", same="text", label="0", choices=["no", "yes"])]
        )
        self.assertEqual(kept, [])

    def test_drops_rows_that_share_a_text_or_thirteen_words_with_a_guarded_set(self):
        with tempfile.TemporaryDirectory() as folder:
            data = pathlib.Path(folder)
            long = "one two three four five six seven eight nine ten eleven twelve thirteen"
            held = {"question": "Held out?", "context": "", "choices": ["a", long], "answer": 0}
            for name in rows.HELD_OUT + rows.FIRST_SETS:
                rows.write(data / name / "test.jsonl.gz", [held])
            kept, _ = self.clean(
                [
                    row("a"),
                    row("b", question="HELD out"),
                    row("c", context="and " + long + " more"),
                    row("d", context=long[4:]),
                ],
                rows.Guarded(data),
            )
        self.assertEqual(kept, ["a", "d"])


class Dealing(unittest.TestCase):
    sizes = {"train": 6, "validation": 2, "test": 2}

    def test_keeps_a_group_in_one_split(self):
        found = [row(f"{group}-{i}", group=str(group)) for group in range(20) for i in range(3)]
        splits = rows.deal("name", found, {"train": 60, "validation": 9, "test": 9})
        groups = [{item.group for item in part} for part in splits.values()]
        self.assertTrue(groups[0].isdisjoint(groups[1] | groups[2]) and groups[1].isdisjoint(groups[2]))

    def test_keeps_the_authors_splits_and_cuts_the_missing_one_from_train(self):
        found = [row(f"a{i}", split="train") for i in range(9)] + [row(f"t{i}", split="test") for i in range(3)]
        splits = rows.deal("name", found, self.sizes)
        self.assertEqual({name: len(part) for name, part in splits.items()}, self.sizes)
        self.assertTrue(all(item.key.startswith("t") for item in splits["test"]))
        self.assertTrue(all(item.key.startswith("a") for item in splits["validation"]))

    def test_samples_labels_alike(self):
        found = [row(f"{i}", label="rare" if i < 5 else "frequent") for i in range(100)]
        self.assertEqual(Counter(item.label for item in rows.sample("seed", found, 10)), {"rare": 5, "frequent": 5})

    def test_same_name_gives_same_rows_and_bytes(self):
        found = [row(f"{i}") for i in range(30)]
        first, second = (rows.deal("name", list(items), self.sizes) for items in (found, found[::-1]))
        self.assertEqual(first, second)
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder) / name for name in ("a.gz", "b.gz")]
            for path in paths:
                rows.write(path, [rows.finished("name", item, str) for item in first["train"]])
            self.assertEqual(paths[0].read_bytes(), paths[1].read_bytes())


class Finishing(unittest.TestCase):
    def test_answer_follows_the_right_choice_through_the_shuffle(self):
        for i in range(20):
            done = rows.finished("name", row(str(i), choices=["right", "b", "c", "d"]), str)
            self.assertEqual(done["choices"][done["answer"]], "right")

    def test_join_tokens_undoes_a_tokenizer(self):
        self.assertEqual(rows.join_tokens("He did n't say ( so ) , I ' ve heard ."), "He didn't say (so), I've heard.")


if __name__ == "__main__":
    unittest.main()
