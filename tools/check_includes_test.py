#!/usr/bin/env python3
"""Tests of check_includes.py on small trees that are written for each case."""

import tempfile
import unittest
from pathlib import Path

import check_includes

CMAKE = {
    "crayon/base/CMakeLists.txt": "crayon_library(base SOURCES a.cpp PRIVATE fmt::fmt)",
    "crayon/http/CMakeLists.txt": "crayon_library(http SOURCES a.cpp PUBLIC crayon::base)",
    "crayon/pool/CMakeLists.txt": "crayon_library(pool SOURCES a.cpp # crayon::gate\n PRIVATE crayon::http)\n"
                                  "crayon_test(pool SOURCES pool_test.cpp DEPS crayon::testing)",
}


def problems(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**CMAKE, **files}.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return list(check_includes.check_tree(Path(folder)))


class CheckIncludes(unittest.TestCase):
    def test_allows_what_is_declared(self):
        self.assertEqual([], problems({
            "crayon/http/a.h": '#include "crayon/base/error.h"\n#include <string>\n',
            "crayon/http/a.cpp": '#include "crayon/http/internal/b.h"\n#include <httplib.h>\n',
            "crayon/pool/a.cpp": '#include "crayon/http/a.h"\n#include "crayon/base/error.h"\n',
            "crayon/pool/pool_test.cpp": '#include "crayon/testing/fake.h"\n',
            "tests/e2e/a_test.cpp": '#include "crayon/pool/a.h"\n#include <llama.h>\n',
        }))

    def test_refuses_each_wrong_include_and_says_where(self):
        cases = [
            ("crayon/pool/a.cpp", '#include "crayon/gate/a.h"', "name crayon::gate under PUBLIC or PRIVATE"),
            ("crayon/pool/a.cpp", '#include "crayon/testing/a.h"', "name crayon::testing"),
            ("crayon/pool/a.h", '#include "crayon/http/a.h"', "name crayon::http under PUBLIC in"),
            ("crayon/pool/pool_test.cpp", '#include "crayon/gate/a.h"', "under DEPS of the test"),
            ("crayon/pool/a.cpp", '#include "crayon/http/internal/a.h"', "internal to part 'http'"),
            ("tests/e2e/a_test.cpp", '#include "crayon/http/internal/a.h"', "internal to part 'http'"),
            ("crayon/pool/a.cpp", '#include "a.h"', "is no path from the root"),
            ("crayon/pool/a.cpp", "#include <httplib.h>", "enters through part 'http' only"),
            ("crayon/pool/a.h", "#include <fmt/format.h>", "in a public header"),
            ("crayon/base/a.h", "#define X 1", "a macro in a public header"),
            ("crayon/http/a.h", "#include <fmt/format.h>", "in a public header"),
        ]
        for name, line, want in cases:
            with self.subTest(line=line, file=name):
                found = problems({name: "\n" + line + "\n"})
                self.assertEqual(1, len(found), found)
                self.assertTrue(found[0].startswith(f"{name}:2: "), found[0])
                self.assertIn(want, found[0])

    def test_refuses_long_files_and_allows_longer_tests(self):
        text = "\n" * 401
        self.assertIn("more than 400 lines", problems({"crayon/base/a.cpp": text})[0])
        self.assertEqual([], problems({"crayon/base/a_test.cpp": text}))
        self.assertIn("more than 600", problems({"crayon/base/a_test.cpp": "\n" * 601})[0])


if __name__ == "__main__":
    unittest.main()
