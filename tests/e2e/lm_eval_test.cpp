// The shipped model's scores are those of lm-evaluation-harness on the same weights in F32. The
// harness's numbers were written by benchmarks/lm_eval/agreement.py; the tasks are the files that
// it read, and the rows those in data/.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "crayon/base/files.h"
#include "crayon/bench/lm_eval_yaml.h"
#include "crayon/bench/scoring.h"
#include "crayon/engine/model_copy.h"
#include "crayon/models/models.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

const fs::path kSource = CRAYON_SOURCE_DIR;
/// Of a choice's summed log-likelihood, in nats. Both sides compute in F32, in other orders.
constexpr double kTolerance = 0.005;

const Json& golden() {
  static const Json json = Json::parse(read_text(kSource / "tests/golden/lm_eval.json"));
  return json;
}

fs::path shipped_model() { return model_path(find_model("smollm2-135m-instruct")); }

/// The golden questions of a task, as the benchmark reads them.
std::vector<BenchRow> rows_of(const std::string& task) {
  const Json& questions = golden().at("tasks").at(task);
  const fs::path yaml = kSource / "benchmarks/lm_eval/tasks" / (task + ".yaml");
  std::vector<BenchRow> rows;
  for (const auto& one : read_lm_eval_task(yaml, "test", questions.size()).examples) {
    if (one.example.id != questions.at(rows.size()).at("id")) {
      throw std::runtime_error("golden question " + one.example.id + " is another");
    }
    rows.push_back({one.example, one.text, one.delimiter});
  }
  return rows;
}

/// How the golden questions of a task were scored, and what the harness says of them.
struct Comparison {
  double largest_difference = 0;  ///< Of a choice's sum.
  std::vector<bool> right_by_sum, right_by_character;
  std::vector<bool> harness_acc, harness_acc_norm;
};

bool is_right(const BenchRow& row, const std::vector<ScoredChoice>& choices, Scoring scoring) {
  std::vector<float> scores;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    scores.push_back(choice_score(scoring, choices[i], row.example.choices[i]));
  }
  return std::ranges::max_element(scores) - scores.begin() == *row.example.answer;
}

/// Scored as the benchmark does it: many questions a pass, the lower half of the blocks first.
Comparison compare(const Model& model, Engine& engine, const std::string& task) {
  const auto rows = rows_of(task);
  std::vector<RenderedPrompt> prompts;
  for (const BenchRow& row : rows) prompts.push_back(bench_prompt(model, {}, row, Scoring::Sum));
  const auto results = engine.score_prepared(*engine.prepare(prompts, {.first_layer = 15}));
  Comparison found;
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const BenchRow& row = rows[n];
    const auto& choices = results.at(n).choices;
    const Json& question = golden().at("tasks").at(task).at(n);
    const auto want = question.at("log_likelihoods").get<std::vector<double>>();
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double difference = std::abs(choices.at(i).sum_log_prob - want[i]);
      if (!(difference <= found.largest_difference)) found.largest_difference = difference;  // NaN
    }
    found.right_by_sum.push_back(is_right(row, choices, Scoring::Sum));
    found.right_by_character.push_back(is_right(row, choices, Scoring::Character));
    found.harness_acc.push_back(question.at("acc") == 1);
    found.harness_acc_norm.push_back(question.at("acc_norm") == 1);
  }
  return found;
}

class LmEval : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    const fs::path file = model_copy(shipped_model(), TensorType::F32, folder_->path());
    model_ = open_model(file, {.with_hash = false});
  }
  static void TearDownTestSuite() {
    model_.reset();
    delete folder_;
    folder_ = nullptr;
  }
  static TemporaryFolder* folder_;
  static std::shared_ptr<Model> model_;
};
TemporaryFolder* LmEval::folder_ = nullptr;
std::shared_ptr<Model> LmEval::model_;

TEST_P(LmEval, ReadsTheTokensThatTheHarnessReads) {
  const Tokenize tokenize = prompt_tokenizer(*model_);
  const Json& questions = golden().at("tasks").at(GetParam());
  ASSERT_GE(questions.size(), 10u);
  std::size_t n = 0;
  for (const BenchRow& row : rows_of(GetParam())) {
    const auto prompt = bench_prompt(*model_, {}, row, Scoring::Sum);
    std::vector<std::vector<int>> tokens;
    for (const auto& choice : prompt.choices) tokens.push_back(tokenize(prompt.text + choice));
    EXPECT_EQ(Json(tokens), questions.at(n++).at("tokens")) << row.example.id;
  }
}

TEST_P(LmEval, ScoresEveryChoiceAsTheHarnessDoes) {
  const auto engine =
      model_->open_engine({.threads = 2, .context_tokens = 512, .exact = true, .splits = true});
  const Comparison found = compare(*model_, *engine, GetParam());
  std::cout << GetParam() << ": largest difference " << found.largest_difference << std::endl;
  EXPECT_LE(found.largest_difference, kTolerance);
  EXPECT_EQ(found.right_by_sum, found.harness_acc);
  EXPECT_EQ(found.right_by_character, found.harness_acc_norm);
  EXPECT_NE(found.harness_acc, found.harness_acc_norm) << "questions that tell nothing of lengths";
}

INSTANTIATE_TEST_SUITE_P(Tasks, LmEval, ::testing::Values("arc_easy", "piqa", "hellaswag"),
                         [](const auto& instance) { return instance.param; });

// The bound means something: the same model with its weights as shipped is far beyond it.
TEST(LmEvalTolerance, IsNarrowerThanWhatArithmeticOnQuantisedWeightsChanges) {
  const auto model = open_model(shipped_model(), {.with_hash = false});
  const auto engine =
      model->open_engine({.threads = 2, .context_tokens = 512, .exact = true, .splits = true});
  EXPECT_GT(compare(*model, *engine, "arc_easy").largest_difference, 4 * kTolerance);
}

}  // namespace
}  // namespace crayon
