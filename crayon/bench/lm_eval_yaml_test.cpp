#include "crayon/bench/lm_eval_yaml.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include <functional>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Files = std::vector<std::pair<std::string, std::string>>;

void write(const TemporaryFolder& folder, const Files& files) {
  for (const auto& [name, text] : files) {
    std::filesystem::create_directories((folder.path() / name).parent_path());
    write_atomically(folder.path() / name, text);
  }
}

LmEvalTask read(const Files& files, const std::string& split = "test", std::size_t limit = 0) {
  const TemporaryFolder folder;
  write(folder, files);
  return read_lm_eval_task(folder.path() / "task.yaml", split, limit);
}

/// The keys that each task needs, before its prompts.
const std::string kHead = R"(task: colours
dataset_path: json
dataset_kwargs:
  data_files:
    test: rows.jsonl
output_type: multiple_choice
test_split: test
)";
const std::string kRow = R"({"q": "Sky?", "options": ["red", "blue"], "gold": 1, "letter": "B"})"
                         "\n";
const std::string kPrompts = R"(doc_to_text: "Question: {{q}}\nAnswer:"
doc_to_choice: options
doc_to_target: gold
)";

TEST(LmEvalTask, GivesTheTextAndChoicesThatTheFileSays) {
  const LmEvalTask task = read({{"task.yaml", kHead + kPrompts}, {"rows.jsonl", kRow}});
  EXPECT_EQ(task.name, "colours");
  EXPECT_THAT(task.splits, ElementsAre("test"));
  ASSERT_EQ(task.examples.size(), 1u);
  const LmEvalExample& got = task.examples[0];
  EXPECT_EQ(got.text, "Question: Sky?\nAnswer:");
  EXPECT_EQ(got.delimiter, " ");
  EXPECT_EQ(got.example.kind, ExampleKind::Choices);
  EXPECT_EQ(got.example.question, got.text);
  EXPECT_THAT(got.example.choices, ElementsAre("red", "blue"));
  EXPECT_EQ(got.example.answer, 1);
  EXPECT_EQ(got.example.task, "colours");
  EXPECT_EQ(got.example.id, "line-1");
}

struct Good {
  std::string name;
  std::string prompts;  ///< Behind kHead.
  std::string row;
  std::string text;
  std::vector<std::string> choices;
  int answer;
};
void PrintTo(const Good& good, std::ostream* out) { *out << good.name; }
class GoodTest : public ::testing::TestWithParam<Good> {};

TEST_P(GoodTest, IsReadAsTheHarnessReadsIt) {
  const Good& want = GetParam();
  const LmEvalTask task = read({{"task.yaml", kHead + want.prompts}, {"rows.jsonl", want.row}});
  ASSERT_EQ(task.examples.size(), 1u);
  EXPECT_EQ(task.examples[0].text, want.text);
  EXPECT_EQ(task.examples[0].example.choices, want.choices);
  EXPECT_EQ(task.examples[0].example.answer, want.answer);
}

Good with_target(const std::string& target, const std::string& gold, int answer) {
  return {
      target + " of " + gold,
      "doc_to_text: q\ndoc_to_choice: [\"0\", \"5\", \"1\", \"True\"]\ndoc_to_target: " + target,
      R"({"q": "How many?", "gold": )" + gold + "}",
      "How many?",
      {"0", "5", "1", "True"},
      answer};
}

INSTANTIATE_TEST_SUITE_P(
    Cases, GoodTest,
    ::testing::Values(
        Good{"labels beside texts",
             "doc_to_text: \"{{stem.strip()}}\\n\"\ndoc_to_choice: \"{{choices.text}}\"\n"
             "doc_to_target: \"{{choices.label.index(key)}}\"\n",
             R"({"stem": " S ", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "key": "B"})",
             "S\n",
             {"x", "y"},
             1},
        Good{"fields in a list, a fixed answer",
             "doc_to_text: q\ndoc_to_choice: \"{{[wrong, right]}}\"\ndoc_to_target: 1\n",
             R"({"q": "Q", "wrong": "w", "right": "r"})",
             "Q",
             {"w", "r"},
             1},
        Good{"letters and a description",
             "description: \"About {{subject}}.\\n\\n\"\n"
             "doc_to_text: \"{{q}}\\nA. {{options[0]}}\\nB. {{options[1]}}\\nAnswer:\"\n"
             "doc_to_choice: [A, B]\ndoc_to_target: letter\n",
             R"({"q": "Q", "subject": "birds", "options": ["x", "y"], "letter": "B"})",
             "About birds.\n\nQ\nA. x\nB. y\nAnswer:",
             {"A", "B"},
             1},
        Good{"choices that are numbers and one twice",
             "doc_to_text: q\ndoc_to_choice: options\ndoc_to_target: \"{{options[2]}}!\"\n",
             R"({"q": "Q", "options": [1, "2!", "2"]})",
             "Q",
             {"1", "2!", "2"},
             1},
        // The digits of a template are an index; the same digits in a field are a choice's text.
        with_target("'{{gold}}'", "\"1\"", 1), with_target("gold", "\"1\"", 2),
        with_target("gold", "1", 1), with_target("gold", "true", 1),
        with_target("'{{gold}}'", "true", 3), with_target("gold", "\"5\"", 1)));

TEST(LmEvalTask, TakesTheDelimiterAndTheIdsOfTheFile) {
  const LmEvalTask task =
      read({{"task.yaml", kHead + kPrompts + "target_delimiter: \"\"\n"},
            {"rows.jsonl", R"({"id": "x7", "q": "a", "options": ["r", "b"], "gold": 0})"
                           "\n\n"
                           R"({"id": 12, "q": "b", "options": ["r", "b"], "gold": 1})"
                           "\n"
                           R"({"q": "c", "options": ["r", "b"], "gold": 1})"}});
  ASSERT_EQ(task.examples.size(), 3u);
  EXPECT_EQ(task.examples[0].delimiter, "");
  EXPECT_EQ(task.examples[0].example.id, "x7");
  EXPECT_EQ(task.examples[1].example.id, "12");
  EXPECT_EQ(task.examples[2].example.id, "line-4");
}

TEST(LmEvalTask, IgnoresWhatTheBenchmarkDecidesItself) {
  const LmEvalTask task =
      read({{"task.yaml", kHead + kPrompts +
                              "tag: [a, b]\nmetric_list:\n  - metric: !function mine.accuracy\n"
                              "    higher_is_better: true\nnum_fewshot: 5\nprocess_docs: null\n"
                              "metadata: {version: 1.0}\nfewshot_split: null\n"},
            {"rows.jsonl", kRow}});
  EXPECT_EQ(task.examples.size(), 1u);
}

const std::string kBase = R"(task: base
dataset_path: json
output_type: multiple_choice
training_split: train
validation_split: null
test_split: held_out
dataset_kwargs: {data_files: {train: ../t.jsonl, held_out: h.jsonl}}
doc_to_text: q
doc_to_choice: options
doc_to_target: gold
)";

TEST(LmEvalTask, PutsItsOwnKeysAboveThoseOfTheFileThatItIncludes) {
  const TemporaryFolder folder;
  write(folder, {{"task.yaml", "include: parts/middle\ntask: mine\n"},
                 {"parts/middle", "include: base.yaml\ntask: middle\ndoc_to_text: \"{{q}}!\"\n"},
                 {"parts/base.yaml", kBase},
                 {"t.jsonl", kRow + kRow},
                 {"parts/h.jsonl", kRow}});
  const auto yaml = folder.path() / "task.yaml";
  const LmEvalTask held_out = read_lm_eval_task(yaml, "test");
  EXPECT_EQ(held_out.name, "mine");
  EXPECT_THAT(held_out.splits, ElementsAre("training", "test"));
  ASSERT_EQ(held_out.examples.size(), 1u);
  EXPECT_EQ(held_out.examples[0].text, "Sky?!");
  EXPECT_EQ(read_lm_eval_task(yaml, "training").examples.size(), 2u);
  EXPECT_EQ(read_lm_eval_task(yaml, "training", 1).examples.size(), 1u);
}

TEST(LmEvalTask, ReadsOneFileAsSplitTrainAndGzipAsItIs) {
  const TemporaryFolder folder;
  write(folder, {{"task.yaml",
                  "task: t\ndataset_path: json\ndataset_kwargs: {data_files: rows.jsonl.gz}\n"
                  "output_type: multiple_choice\ntest_split: train\n" +
                      kPrompts}});
  const gzFile file = gzopen((folder.path() / "rows.jsonl.gz").c_str(), "wb");
  ASSERT_EQ(gzwrite(file, kRow.data(), static_cast<unsigned>(kRow.size())),
            static_cast<int>(kRow.size()));
  ASSERT_EQ(gzclose(file), Z_OK);
  EXPECT_EQ(read_lm_eval_task(folder.path() / "task.yaml", "test").examples.size(), 1u);
}

struct Bad {
  std::string name;
  Files files;
  ErrorCode code;
  std::vector<std::string> what;  ///< Each must be in the message.
  std::string split = "test";
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.name; }
class LmEvalBadInputTest : public ::testing::TestWithParam<Bad> {};

TEST_P(LmEvalBadInputTest, IsOneClearError) {
  try {
    (void)read(GetParam().files, GetParam().split);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), GetParam().code) << e.what();
    for (const auto& part : GetParam().what) EXPECT_THAT(e.what(), HasSubstr(part));
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
  }
}

constexpr auto kInvalid = ErrorCode::InvalidArgument;
constexpr auto kUnsupported = ErrorCode::Unsupported;

/// The good task with one part of its YAML replaced.
Bad yaml_with(const std::string& from, const std::string& to, ErrorCode code,
              const std::vector<std::string>& what) {
  std::string yaml = kHead + kPrompts;
  yaml.replace(yaml.find(from), from.size(), to);
  return {to, {{"task.yaml", yaml}, {"rows.jsonl", kRow}}, code, what};
}
/// The good task with one more line, which is line 11.
Bad yaml_and(const std::string& line, ErrorCode code, const std::vector<std::string>& what) {
  return {line, {{"task.yaml", kHead + kPrompts + line}, {"rows.jsonl", kRow}}, code, what};
}
Bad row_of(const std::string& row, ErrorCode code, const std::vector<std::string>& what) {
  return {row, {{"task.yaml", kHead + kPrompts}, {"rows.jsonl", kRow + row}}, code, what};
}

INSTANTIATE_TEST_SUITE_P(
    Files, LmEvalBadInputTest,
    ::testing::Values(
        Bad{"no file", {}, ErrorCode::NotFound, {"task.yaml"}},
        Bad{"no data", {{"task.yaml", kHead + kPrompts}}, ErrorCode::NotFound, {"rows.jsonl"}},
        Bad{"no example",
            {{"task.yaml", kHead + kPrompts}, {"rows.jsonl", "\n"}},
            kInvalid,
            {"rows.jsonl: holds no example"}},
        Bad{"broken YAML",
            {{"task.yaml", "task: a\nb: [1, 2\nc: 3\n"}},
            kInvalid,
            {"task.yaml:3: no YAML", "mend it"}},
        Bad{"a tab", {{"task.yaml", "task:\n\tname: x\n"}}, kInvalid, {"task.yaml:2: no YAML"}},
        Bad{"a text", {{"task.yaml", "just words"}}, kInvalid, {"task.yaml: no map of keys"}},
        Bad{"an empty file", {{"task.yaml", ""}}, kInvalid, {"task.yaml: no map of keys"}},
        Bad{"deep YAML", {{"task.yaml", "task: " + std::string(2000, '[')}}, kInvalid, {"no YAML"}},
        Bad{"deep list",
            {{"task.yaml", "task: " + std::string(40, '[') + std::string(40, ']')}},
            kInvalid,
            {"task.yaml:1: task: nested deeper than 16"}},
        Bad{"a circle",
            {{"task.yaml", "include: task.yaml\n"}},
            kInvalid,
            {"includes more than 8 files"}},
        Bad{"a missing include",
            {{"task.yaml", "include: base.yaml\n"}},
            ErrorCode::NotFound,
            {"base.yaml"}},
        Bad{"another split",
            {{"task.yaml", kHead + kPrompts}, {"rows.jsonl", kRow}},
            kInvalid,
            {"task.yaml: has no training_split", "one of its own: test"},
            "training"},
        Bad{"no split",
            {{"task.yaml", kHead + kPrompts}, {"rows.jsonl", kRow}},
            kInvalid,
            {"split 'dev'", "training, validation or test"},
            "dev"}));

INSTANTIATE_TEST_SUITE_P(
    Yaml, LmEvalBadInputTest,
    ::testing::Values(
        yaml_with("task: colours\n", "", kInvalid, {"task.yaml: has no key 'task'"}),
        yaml_with("task: colours", "task: [a, b]", kUnsupported,
                  {"task.yaml:1: task: a list", "a single task"}),
        yaml_with("path: json", "path: allenai/ai2_arc", kUnsupported,
                  {"task.yaml:2: dataset_path: 'allenai/ai2_arc', expected json with"}),
        yaml_with("rows.jsonl", "https://host/rows.jsonl", kUnsupported,
                  {"task.yaml:3: dataset_kwargs", "is an address", "on this machine"}),
        yaml_with("rows.jsonl", "[a.jsonl, b.jsonl]", kUnsupported, {"not one path for a split"}),
        yaml_with("data_files:\n    test: rows.jsonl", "field: rows", kInvalid,
                  {"has no data_files"}),
        yaml_with("  data_files", "  field: rows\n  data_files", kUnsupported, {"has 'field'"}),
        yaml_with("    test: rows", "    dev: rows", kInvalid,
                  {"task.yaml:7: test_split: split 'test' has no file, expected one of dev"}),
        yaml_with("output_type: multiple_choice", "output_type: generate_until", kUnsupported,
                  {"task.yaml:6: output_type", "expected multiple_choice"}),
        yaml_with("output_type: multiple_choice\n", "", kUnsupported, {"'generate_until'"}),
        yaml_with("doc_to_choice: options\n", "", kInvalid, {"has no key 'doc_to_choice'"}),
        yaml_with("doc_to_choice: options", "doc_to_choice: [only]", kInvalid,
                  {"task.yaml:9: doc_to_choice: 1 choices, expected 2 to 1000"}),
        yaml_with("doc_to_choice: options", "doc_to_choice: [yes, no]", kInvalid,
                  {"task.yaml:9: doc_to_choice: an unquoted yes", "put it in quotes"}),
        yaml_with("doc_to_choice: options", "doc_to_choice: {a: b, c: d}", kUnsupported,
                  {"task.yaml:9: doc_to_choice: a map"}),
        yaml_with("doc_to_choice: options", "doc_to_choice: option", kInvalid,
                  {"rows.jsonl:1: ", "task.yaml:9: doc_to_choice: no field 'option'"}),
        yaml_with("doc_to_choice: options", "doc_to_choice: letter", kInvalid,
                  {"rows.jsonl:1: ", "no list of choices"}),
        yaml_with("doc_to_target: gold", "doc_to_target: !function utils.gold", kUnsupported,
                  {"task.yaml:10: doc_to_target: !function utils.gold", "Python"}),
        yaml_with("doc_to_target: gold", "doc_to_target: [gold]", kUnsupported, {"a list"}),
        yaml_with("doc_to_target: gold", "doc_to_target: 2", kInvalid,
                  {"doc_to_target: answer 2, expected an index in 0..1"}),
        yaml_with("doc_to_target: gold", "doc_to_target: letter", kInvalid,
                  {"rows.jsonl:1: ", "none of the choices, expected the text of one, or an index"}),
        yaml_with("doc_to_target: gold", "doc_to_target: options", kUnsupported,
                  {"rows.jsonl:1: ", "one right answer"}),
        yaml_with("\"Question: {{q}}\\nAnswer:\"", "\"{{question}}\"", kInvalid,
                  {"rows.jsonl:1: ", "task.yaml:8: doc_to_text: has no field 'question'",
                   "one of gold, letter, options, q"}),
        yaml_with("\"Question: {{q}}\\nAnswer:\"", "question", kInvalid,
                  {"rows.jsonl:1: ", "no field 'question' in the row"}),
        yaml_with("\"Question: {{q}}\\nAnswer:\"", "gold", kUnsupported,
                  {"a number (a context for each choice)"}),
        yaml_with("\"Question: {{q}}\\nAnswer:\"", "options", kInvalid,
                  {"a field that is no text"}),
        yaml_with("Question: {{q}}", "{% if q %}{{q}}{% endif %}", kUnsupported,
                  {"task.yaml:8: doc_to_text: has '{%'"}),
        yaml_with("{{q}}", "{{q|title}}", kUnsupported,
                  {"task.yaml:8: doc_to_text: has filter 'title'", "supported are", "|trim"})));

INSTANTIATE_TEST_SUITE_P(
    Keys, LmEvalBadInputTest,
    ::testing::Values(
        yaml_and("process_docs: !function utils.process_docs", kUnsupported,
                 {"task.yaml:11: process_docs is not supported, expected a task of task, include"}),
        yaml_and("gen_prefix: 'So:'", kUnsupported, {"gen_prefix is not supported"}),
        yaml_and("doc_to_txt: q", kInvalid,
                 {"task.yaml:11: unknown key 'doc_to_txt'", "doc_to_text"}),
        yaml_and("task: again", kInvalid, {"task.yaml:11: task is there twice"}),
        yaml_and("include: [a, b]", kUnsupported, {"task.yaml:11: include is no text"}),
        yaml_and("description: !function utils.d", kUnsupported, {"task.yaml:11: description"}),
        yaml_and("description: {a: b}", kUnsupported, {"task.yaml:11: description: a map"})));

INSTANTIATE_TEST_SUITE_P(
    Rows, LmEvalBadInputTest,
    ::testing::Values(
        row_of("{\"q\": ", kInvalid, {"rows.jsonl:2: is not JSON"}),
        row_of("[1]", kInvalid, {"rows.jsonl:2: holds no JSON object"}),
        row_of(R"({"q": 1, "q": 2})", kInvalid, {"rows.jsonl:2: has a key twice"}),
        row_of(R"({"q": "a", "options": ["x"], "gold": 0})", kInvalid,
               {"rows.jsonl:2: ", "doc_to_choice: 1 choices, expected 2"}),
        row_of(R"({"q": "a", "options": ["x", " "], "gold": 0})", kInvalid, {"choice 1 is blank"}),
        row_of(R"({"q": "a", "options": ["x", null], "gold": 0})", kInvalid,
               {"choice 1 is no text"}),
        row_of(R"({"q": "a", "options": ["x", "y"], "gold": 2})", kInvalid,
               {"rows.jsonl:2: ", "doc_to_target: answer 2, expected an index in 0..1"}),
        row_of(R"({"q": "a", "options": ["x", "y"], "gold": -1})", kInvalid,
               {"answer -1", "without answers cannot be scored"}),
        row_of(R"({"q": "a", "options": ["x", "y"], "gold": 18446744073709551615})", kInvalid,
               {"expected an index in 0..1"}),
        row_of(R"({"q": "a", "options": ["x", "y"], "gold": null})", kInvalid,
               {"neither a number nor a text"}),
        row_of(R"({"q": "a", "options": ["x", "y"], "gold": "1"})", kInvalid,
               {"none of the choices", "write \"{{field}}\" for an index"}),
        row_of(R"({"q": "a", "options": ["x", "y"]})", kInvalid,
               {"rows.jsonl:2: ", "doc_to_target: no field 'gold' in the row"}),
        row_of(R"({"q": null, "options": ["x", "y"], "gold": 0})", kInvalid,
               {"rows.jsonl:2: ", "doc_to_text: a place is null"})));

}  // namespace
}  // namespace crayon
