// The main job on real models and real data, through the program as a user runs it: customise,
// answer, evaluate with a larger LLM over HTTP, and the promises that need the real thing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "crayon/base/files.h"
#include "crayon/engine/engine.h"
#include "crayon/formats/examples.h"
#include "crayon/formats/task_file.h"
#include "crayon/models/models.h"
#include "crayon/pool/pool.h"
#include "crayon/testing/random.h"
#include "tests/e2e/same_logits.h"

namespace crayon {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

const fs::path kSource = CRAYON_SOURCE_DIR;
const fs::path kPool = kSource / "pools/smollm2-135m";

struct Output {
  int status = -1;
  std::string out;
};

Output crayon(const std::string& arguments) {
  const char* program = std::getenv("CRAYON_BIN");
  if (program == nullptr) throw std::runtime_error("CRAYON_BIN is not set: run it by ctest");
  FILE* pipe = ::popen((std::string(program) + " " + arguments).c_str(), "r");
  Output run;
  std::array<char, 4096> piece{};
  while (const std::size_t n = std::fread(piece.data(), 1, piece.size(), pipe)) {
    run.out.append(piece.data(), n);
  }
  const int status = ::pclose(pipe);
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return run;
}

/// Rows of one topic of clinc150, which no pool of ours was trained on.
void write_rows(const fs::path& file, const std::string& split, std::size_t n) {
  std::ostringstream rows;
  std::size_t written = 0;
  for (const auto& row : read_examples(kSource / "data/clinc150_intent" / (split + ".jsonl.gz"))) {
    if (row.task != "clinc150_banking" || written == n) continue;
    rows << Json{{"id", row.id},
                 {"question", row.question},
                 {"context", row.context},
                 {"choices", row.choices},
                 {"answer", *row.answer}}
         << "\n";
    ++written;
  }
  write_atomically(file, rows.str());
}

class MainJob : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    examples_ = folder_->path() / "examples.jsonl";
    questions_ = folder_->path() / "questions.jsonl";
    task_ = folder_->path() / "banking.gguf";
    write_rows(examples_, "train", 32);
    write_rows(questions_, "test", 60);
    customized_ = crayon("customize --json --pool " + kPool.string() + " --examples " +
                         examples_.string() + " -o " + task_.string());
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  static TemporaryFolder* folder_;
  static fs::path examples_, questions_, task_;
  static Output customized_;
};
TemporaryFolder* MainJob::folder_ = nullptr;
fs::path MainJob::examples_, MainJob::questions_, MainJob::task_;
Output MainJob::customized_;

TEST_F(MainJob, CustomizeReportsWeightsThatSumToOneAndWhatLeaveOneOutSaid) {
  ASSERT_EQ(customized_.status, 0) << customized_.out;
  const Json report = Json::parse(customized_.out);
  double sum = 0;
  for (const double w : report.at("weights")) sum += w;
  EXPECT_EQ(report.at("weights").size(), Pool::open(kPool).size());
  EXPECT_NEAR(sum, 1, 1e-4);
  EXPECT_EQ(report.at("n_examples"), 32);
  EXPECT_EQ(report.at("leave_one_out").at("n"), 32);
  EXPECT_EQ(report.at("relative_error"), 0.0);  // exact blend
  EXPECT_TRUE(fs::exists(task_));
}

TEST_F(MainJob, TheTaskFileHoldsNoTextOfTheExamples) {
  const std::string bytes = read_text(task_);
  for (const auto& row : read_examples(examples_)) {
    EXPECT_EQ(bytes.find(row.context), std::string::npos) << row.id;
  }
}

TEST_F(MainJob, TheCustomisedTaskAnswersTestQuestionsBetterThanTheBase) {
  const Output run =
      crayon("eval --json --task " + task_.string() + " --data " + questions_.string());
  ASSERT_EQ(run.status, 0);
  const Json report = Json::parse(run.out);
  EXPECT_EQ(report.at("n"), 60);
  const double base = report.at("base").at("accuracy");
  const double blended = report.at("blended").at("accuracy");
  const double error = report.at("blended").at("standard_error");
  EXPECT_GT(blended, base + 2 * error);
}

TEST_F(MainJob, TheTaskFileIsAStockLoraThatGivesTheEnginesLogits) {
  const auto file = model_path(find_model("smollm2-135m-instruct"));
  const auto model = open_model(file, {.with_hash = false});
  const auto tokens = model->tokenize("Question: What is the capital of France?\nAnswer: Paris");
  const auto engine = model->open_engine({.threads = 2, .context_tokens = 512, .exact = true});
  engine->set_adapter_file(task_);
  const Matrix ours = engine->logits(tokens);
  const LlamaOnlyRun llama{.model = file, .task = task_, .threads = 2, .context_tokens = 512};
  EXPECT_LE(largest_difference(ours.data, llama_only_logits(llama, tokens)), 1e-4f);
}

TEST_F(MainJob, AskSaysSoAndStillAnswersWhenTheServerIsDown) {
  const Output run = crayon("ask --json --task " + task_.string() +
                            " --server-url http://127.0.0.1:9 --server-share 1 --choice 'pay bill' "
                            "--choice balance 'How much money do I have?'");
  ASSERT_EQ(run.status, 0);
  const Json answer = Json::parse(run.out);
  EXPECT_EQ(answer.at("side"), "device");
  EXPECT_THAT(answer.at("reason").get<std::string>(), ::testing::HasSubstr("server unavailable"));
}

}  // namespace
}  // namespace crayon
