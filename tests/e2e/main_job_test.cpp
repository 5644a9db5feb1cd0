// The main job on real models and real data, through the program as a user runs it: customise,
// answer, evaluate with a larger LLM over HTTP (another `crayon serve`), and the promises that need
// the real thing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
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

std::string crayon_program() {
  const char* program = std::getenv("CRAYON_BIN");
  if (program == nullptr) throw std::runtime_error("CRAYON_BIN is not set: run it by ctest");
  return program;
}

Output crayon(const std::string& arguments) {
  FILE* pipe = ::popen((crayon_program() + " " + arguments).c_str(), "r");
  Output run;
  std::array<char, 4096> piece{};
  while (const std::size_t n = std::fread(piece.data(), 1, piece.size(), pipe)) {
    run.out.append(piece.data(), n);
  }
  const int status = ::pclose(pipe);
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return run;
}

/// `crayon serve` of a model at a free port; ends with this.
class Serving {
 public:
  explicit Serving(const std::string& model) {
    const std::string program = crayon_program();
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) throw std::runtime_error("no pipe");
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::close(ends[0]);
      ::close(ends[1]);
      ::execl(program.c_str(), program.c_str(), "serve", "--quiet", "--port", "0", "--model",
              model.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    for (char c = 0; ::read(ends[0], &c, 1) == 1 && c != '\n';) url_ += c;
    ::close(ends[0]);
  }
  Serving(const Serving&) = delete;
  ~Serving() {
    ::kill(child_, SIGTERM);
    ::waitpid(child_, nullptr, 0);
  }
  [[nodiscard]] const std::string& url() const { return url_; }  ///< Its first line.

 private:
  pid_t child_ = -1;
  std::string url_;
};

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

TEST_F(MainJob, CustomizeReportsTheBlendAndWhatLeaveOneOutSaid) {
  ASSERT_EQ(customized_.status, 0) << customized_.out;
  const Json report = Json::parse(customized_.out);
  const Pool pool = Pool::open(kPool);
  const auto weights = report.at("weights").get<std::vector<float>>();
  ASSERT_EQ(weights.size(), pool.size());
  // Beside a shared adapter the weights sum to the tilt, but for those too small to count.
  const double tilt = report.at("familiarity").get<double>() * double{pool.gate().max_tilt};
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  EXPECT_LE(sum, tilt + 1e-4);
  EXPECT_GE(sum, tilt - 0.002 * static_cast<double>(weights.size()));
  EXPECT_NEAR(report.at("shared_weight").get<double>(),
              static_cast<double>(shared_weight(pool.gate(), weights)), 1e-6);
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
  const LlamaOnlyRun llama{.model = file, .loras = {{task_}}, .threads = 2, .context_tokens = 512};
  EXPECT_LE(largest_difference(ours.data, llama_only_logits(llama, tokens)), 1e-4f);
}

/// Mean KL of three sets of logits from the pool's exact blend at uneven weights.
struct BlendDistances {
  double to_run_time_sum = 0;  ///< That llama.cpp makes of the pool's files, with the weights.
  double to_other_order = 0;   ///< The same blend, its adapters stacked in the other order.
  double to_even_weights = 0;  ///< A blend that ignores the weights.
};

BlendDistances blend_distances(const fs::path& model_file) {
  const std::vector<float> weights = {0.45f, -0.2f, 0.3f, 0.05f,  0.15f, 0.1f, 0.12f,
                                      0.03f, 0.25f, 0.4f, -0.15f, 0.2f,  0.8f};
  const Pool pool = Pool::open(kPool);
  if (pool.size() + 1 != weights.size() || pool.shared() == nullptr) {
    throw std::runtime_error("not a pool of 12 adapters and a shared one");
  }
  LlamaOnlyRun sum{.model = model_file, .threads = 2};
  std::vector<BlendPart> parts, even;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const bool last = i == pool.size();
    const auto& entry = last ? pool.manifest().shared[0] : pool.manifest().adapters[i];
    const Adapter& adapter = last ? *pool.shared() : pool.adapters()[i];
    sum.loras.push_back({kPool / entry.file, weights[i]});
    parts.push_back({adapter, weights[i]});
    even.push_back({adapter, 1.0f / static_cast<float>(weights.size())});
  }
  const std::vector<BlendPart> other_order(parts.rbegin(), parts.rend());
  const auto model = open_model(model_file, {.with_hash = false});
  const auto engine = model->open_engine({.threads = 2, .context_tokens = 512, .exact = true});
  BlendDistances mean;
  constexpr std::size_t kPassages = 6;
  for (const auto& row :
       read_examples(kSource / "data/boolq_passage/validation.jsonl.gz", kPassages)) {
    auto tokens = model->tokenize(row.context + "\n" + row.question);
    if (tokens.size() > 512) tokens.resize(512);
    const auto logits = [&](const std::vector<BlendPart>& blended) {
      engine->set_adapters(blended);
      return engine->logits(tokens);
    };
    const Matrix ours = logits(parts);
    mean.to_run_time_sum += mean_kl(ours, llama_only_logits(sum, tokens)) / kPassages;
    mean.to_other_order += mean_kl(ours, logits(other_order).data) / kPassages;
    mean.to_even_weights += mean_kl(ours, logits(even).data) / kPassages;
  }
  std::cout << "KL from the exact blend: run-time sum " << mean.to_run_time_sum << ", other order "
            << mean.to_other_order << ", even weights " << mean.to_even_weights << std::endl;
  return mean;
}

TEST_F(MainJob, TheExactBlendOfThePoolIsTheSumThatLlamaCppMakesAtRunTime) {
  const fs::path f16 = folder_->path() / "f16.gguf";
  write_f16_copy(model_path(find_model("smollm2-135m-instruct")), f16);
  const BlendDistances kl = blend_distances(f16);
  fs::remove(f16);
  EXPECT_LE(kl.to_run_time_sum, 1e-5);
  EXPECT_GE(kl.to_even_weights, 1e-2) << "a blend that ignored the weights would pass";
}

// With Q4_1 weights llama.cpp rounds activations to 8 bits, and what differs in the last bit of a
// float, such as the order of a sum, rounds some of them the other way, in each layer more. So the
// bound here is what the order alone does; the test above holds the sum itself to a far tighter
// one.
TEST_F(MainJob, OnQ4WeightsTheExactBlendIsThatSumUpToTheRoundingOfActivations) {
  const BlendDistances kl = blend_distances(model_path(find_model("smollm2-135m-instruct")));
  EXPECT_LE(kl.to_run_time_sum, 2 * kl.to_other_order);
  EXPECT_LE(kl.to_run_time_sum, 5e-3);
  EXPECT_GE(kl.to_even_weights, 10 * kl.to_run_time_sum);
}

/// What one side's `choice` in a line of --details says.
bool is_right(const Json& line, const std::string& side) {
  return line.at(side).at("choice") == line.at("answer");
}

TEST_F(MainJob, EvalAndAskUseALargerModelThatAnotherCrayonServes) {
  const Serving server("qwen2.5-coder-0.5b-instruct");
  ASSERT_THAT(server.url(), ::testing::StartsWith("http://127.0.0.1:"));
  const fs::path details = folder_->path() / "details.jsonl";
  const Output run = crayon("eval --json --task " + task_.string() + " --data " +
                            questions_.string() + " --limit 24 --server-url " + server.url() +
                            " --server-limit 12 --server-share 0.5 --details " + details.string());
  ASSERT_EQ(run.status, 0);
  const Json report = Json::parse(run.out);
  int asked = 0, unparsed = 0, escalated = 0, right_server = 0, right_mix = 0;
  std::istringstream lines(read_text(details));
  for (std::string text; std::getline(lines, text);) {
    const Json line = Json::parse(text);
    if (!line.contains("server")) continue;
    const bool by_server = line.at("side") == "server";
    ++asked;
    unparsed += line.at("server").at("choice").is_null() ? 1 : 0;
    escalated += by_server ? 1 : 0;
    right_server += is_right(line, "server") ? 1 : 0;
    right_mix += is_right(line, by_server ? "server" : "blended") ? 1 : 0;
  }
  EXPECT_EQ(report.at("n"), 24);
  EXPECT_EQ(asked, 12);
  EXPECT_EQ(report.at("server").at("n"), 12);
  EXPECT_EQ(report.at("mix").at("n"), 12);
  EXPECT_EQ(report.at("unparsed"), unparsed);
  EXPECT_EQ(report.at("server").at("unparsed"), unparsed);
  EXPECT_LE(escalated, 6);             // half of 12,
  EXPECT_GE(escalated, 6 - unparsed);  // less those that the device had to answer after all
  EXPECT_NEAR(report.at("mix").at("server_share").get<double>(), escalated / 12.0, 1e-9);
  EXPECT_NEAR(report.at("server").at("accuracy").get<double>(), right_server / 12.0, 1e-9);
  EXPECT_NEAR(report.at("mix").at("accuracy").get<double>(), right_mix / 12.0, 1e-9);

  const Output asking =
      crayon("ask --json --task " + task_.string() + " --side server" + " --server-url " +
             server.url() + " --choice 'pay bill' --choice balance 'How much money do I have?'");
  ASSERT_EQ(asking.status, 0);
  const Json answer = Json::parse(asking.out);
  EXPECT_FALSE(answer.contains("server_error")) << asking.out;
  EXPECT_EQ(answer.at("side"), answer.value("unparsed", false) ? "device" : "server");
  EXPECT_THAT(answer.at("answer").get<std::string>(), ::testing::AnyOf("pay bill", "balance"));
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
