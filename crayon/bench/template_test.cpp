#include "crayon/bench/internal/template.h"

#include <gmock/gmock.h>

#include "crayon/base/error.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const char* const kRow = R"({
  "question": " Why? ", "letter": "B", "label": 1, "share": 0.5, "flag": true, "nothing": null,
  "options": {"text": ["red", "blue", "blue"], "label": ["A", "B", "C"]},
  "grün": "g", "wide": "Ärger", "deep": {"a": {"b": [10, 20]}}, "digits": " 12 ", "items": []
})";

struct Rendered {
  std::string text;
  std::string want;  ///< As JSON.
};
void PrintTo(const Rendered& rendered, std::ostream* out) { *out << rendered.text; }
class RenderedTest : public ::testing::TestWithParam<Rendered> {};

TEST_P(RenderedTest, HasTheValueThatJinjaGives) {
  const Template read(GetParam().text, "task.yaml:3: doc_to_text");
  EXPECT_EQ(read.value(Json::parse(kRow), "data.jsonl:7").dump(), GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, RenderedTest,
    ::testing::Values(
        Rendered{"plain { text } of }} braces", R"("plain { text } of }} braces")"},
        Rendered{"", R"("")"}, Rendered{"{", R"("{")"},
        Rendered{"Q: {{question}}\nA:", R"("Q:  Why? \nA:")"},
        Rendered{"{{ question.strip() }}|{{question | trim}}|", R"("Why?|Why?|")"},
        Rendered{"{{question.lstrip()}}|{{question.rstrip()}}|", R"("Why? | Why?|")"},
        Rendered{"{{letter.lower()}}{{letter|lower|upper}}", R"("bB")"},
        Rendered{"{{options.text}}", R"(["red","blue","blue"])"},
        Rendered{"{{options['text'][1]}}", R"("blue")"},
        Rendered{"{{options[\"text\"][-3]}}!", R"("red!")"},
        Rendered{"{{options.label.index(letter)}}", "1"},
        Rendered{"{{options.text[options.label.index(letter)]}}", R"("blue")"},
        Rendered{"{{'ABC'.index(letter)}}", "1"}, Rendered{"{{'ÄBC'.index(letter)}}", "1"},
        Rendered{"{{wide|length}}{{options.text|length}}", R"("53")"},
        Rendered{"{{['no', 'yes'][label]}}", R"("yes")"},
        Rendered{"{{[letter, 'x' + letter, label + 1,]}}", R"(["B","xB",2])"},
        Rendered{"{{[letter] + options.label}}", R"(["B","A","B","C"])"},
        Rendered{"{{'a' + question|trim + 'b'}}", R"("aWhy?b")"},
        Rendered{"{{('a' + question)|trim}}", R"("a Why?")"},
        Rendered{R"({{'it\'s }} "fine"\n' + "\\"}})", R"("it's }} \"fine\"\n\\")"},
        Rendered{"{{question.replace('h', 'hh')}}", R"(" Whhy? ")"},
        Rendered{"{{digits|int + -2}}", "10"},
        Rendered{"{{label -1}}{{label - 2|int - -5}}", R"("04")"}, Rendered{"{{grün}}", R"("g")"},
        Rendered{"{{label|string}}", R"("1")"}, Rendered{"{{deep.a.b[1]}}", "20"},
        Rendered{"{{share}}, {{flag}}", R"("0.5, True")"}, Rendered{"{{items}}", "[]"}));

struct Refused {
  std::string text;
  ErrorCode code;
  std::string what;
};
void PrintTo(const Refused& refused, std::ostream* out) { *out << refused.text; }
class RefusedTest : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedTest, IsOneClearErrorThatNamesThePlace) {
  try {
    (void)Template(GetParam().text, "task.yaml:3: doc_to_text");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), GetParam().code);
    EXPECT_THAT(e.what(),
                AllOf(StartsWith("task.yaml:3: doc_to_text: has"), HasSubstr(GetParam().what)));
  }
}

Refused foreign(const std::string& text, const std::string& what) {
  return {text, ErrorCode::Unsupported, what};
}
Refused unclosed(const std::string& text) { return {text, ErrorCode::InvalidArgument, "close it"}; }

INSTANTIATE_TEST_SUITE_P(
    Cases, RefusedTest,
    ::testing::Values(
        foreign("{% if a %}x{% endif %}", "has '{%'"), foreign("x{# note #}", "has '{#'"),
        foreign("{{a if b else c}}", "'if b else c}}'"), foreign("{{not a}}", "'not a}}'"),
        foreign("{{a ~ b}}", "'~ b}}'"), foreign("{{a * 2}}", "'* 2}}'"),
        foreign("{{- a -}}", "'- a -}}'"), foreign("{{a == 'x'}}", "'== 'x'}}'"),
        foreign("{{range(3)}}", "'(3)}}'"), foreign("{{a[1:2]}}", "':2]}}'"),
        foreign("{{a|join(', ')}}", "filter 'join' with 1 arguments, supported are .strip()"),
        foreign("{{a.split(' ')}}", "method 'split' with 1 arguments"),
        foreign("{{a.strip('x')}}", "method 'strip' with 1 arguments"),
        foreign("{{a|regex_replace('a', 'b')}}", "filter 'regex_replace'"),
        foreign("{{'a\\x41'}}", "'x41'}}'"), foreign("{{1.5}}", "'.5}}'"),
        foreign("{{{'a': 1}}}", "'{'a': 1}}}'"), foreign("{{}}", "'}}'"),
        foreign("{{[a b]}}", "'b]}}'"),
        foreign("{{99999999999999999999}}", "'99999999999999999999}}'"),
        foreign("{{" + std::string(40, '(') + "a", "'((((("),
        foreign("{{a" + std::string(2000, '+') + "}}", "'++++"), unclosed("{{a"), unclosed("{{"),
        unclosed("{{'a}}"), unclosed("{{[a,"), unclosed("{{a|")));

class FaultTest : public ::testing::TestWithParam<Refused> {};

TEST_P(FaultTest, InARowNamesTheRowAndThePlace) {
  const Template read(GetParam().text, "task.yaml:3: doc_to_text");
  try {
    (void)read.text(Json::parse(kRow), "data.jsonl:7");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), GetParam().code);
    EXPECT_THAT(e.what(), AllOf(StartsWith("data.jsonl:7: task.yaml:3: doc_to_text: "),
                                HasSubstr(GetParam().what)));
  }
}

Refused fault(const std::string& text, const std::string& what) {
  return {text, ErrorCode::InvalidArgument, what};
}

INSTANTIATE_TEST_SUITE_P(
    Cases, FaultTest,
    ::testing::Values(
        fault("{{qestion}}", "no field 'qestion', expected one of deep, digits, flag,"),
        fault("{{options.texts}}", "no field 'texts', expected one of label, text"),
        fault("{{label.text}}", "'text' of a number"), fault("{{nothing}}", "a place is null"),
        fault("{{options}}", "a place is an object"), fault("{{items}}", "a place is a list"),
        fault("{{options.text[3]}}", "[3] of a list of 3"),
        fault("{{options.text[-4]}}", "[-4] of a list of 3"),
        fault("{{items[0]}}", "[0] of a list of 0"), fault("{{letter[0]}}", "[a number] of a text"),
        fault("{{options.text[flag]}}", "[true or false] of a list"),
        fault("{{options.label.index('D')}}", "index() of what is not there"),
        fault("{{letter.index('D')}}", "index() of what is not there"),
        fault("{{label.index(1)}}", "index() of a number"),
        fault("{{label.strip()}}", "is a number, expected a text"),
        fault("{{letter + label}}", "a text + a number"),
        fault("{{share + label}}", "a number + a"),
        fault("{{letter - 1}}", "a text - a number, expected two whole numbers"),
        fault("{{label|length}}", "length of a number"), fault("{{letter|int}}", "no whole number"),
        fault("{{letter.replace('', 'x')}}", "replaces a text of no characters"),
        Refused{"{{wide|lower}}", ErrorCode::Unsupported, "beyond ASCII"}));

TEST(Template, KnowsWhetherItHasPlaces) {
  EXPECT_TRUE(Template("question", "").is_plain());
  EXPECT_TRUE(Template("", "").is_plain());
  EXPECT_FALSE(Template("{{question}}", "").is_plain());
}

TEST(Template, StopsAddingWhereTheStackWouldGo) {
  std::string text = "{{a";
  for (int i = 0; i < 2000; ++i) text += " + a";
  EXPECT_THROW((void)Template(text + "}}", ""), Error);
}

}  // namespace
}  // namespace crayon
