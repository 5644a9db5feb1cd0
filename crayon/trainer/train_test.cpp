// Whole training runs on a tiny random model that the test writes, with sets of a few lines.
#include "crayon/trainer/train.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <utility>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/interrupt.h"
#include "crayon/engine/engine.h"
#include "crayon/formats/examples.h"
#include "crayon/gate/scope_model.h"
#include "crayon/pool/pool.h"
#include "crayon/testing/random.h"
#include "crayon/testing/training.h"
#include "crayon/trainer/internal/checkpoint.h"
#include "crayon/trainer/internal/learner.h"
#include "crayon/trainer/internal/validate.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

class Training : public ::testing::Test {
 protected:
  Training() { prepare(folder_.path()); }
  ~Training() override { set_interrupted(false); }

  static void prepare(const fs::path& folder) { write_training_files(folder); }
  [[nodiscard]] static TrainConfig config(const fs::path& folder) {
    return load_train_config(folder / "train.toml");
  }
  [[nodiscard]] TrainConfig config() const { return config(folder_.path()); }
  [[nodiscard]] CheckpointFolder checkpoints() const {
    return CheckpointFolder(config().train.checkpoints);
  }
  TrainReport run(const TrainRunOptions& options = {}) {
    return train_pool(config(), options, notes_);
  }

  TemporaryFolder folder_;
  std::ostringstream notes_;
};

std::map<std::string, std::string> files_below(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      files[entry.path().lexically_relative(folder).string()] = read_text(entry.path());
    }
  }
  return files;
}

double mean(const std::vector<double>& values, std::size_t begin, std::size_t n) {
  const auto first = values.begin() + static_cast<std::ptrdiff_t>(begin);
  return std::accumulate(first, first + static_cast<std::ptrdiff_t>(n), 0.0) /
         static_cast<double>(n);
}

TEST_F(Training, LossFallsAndThePoolOpens) {
  const TrainReport report = run();
  ASSERT_TRUE(report.finished);
  ASSERT_EQ(report.losses.size(), 12u);
  EXPECT_LT(mean(report.losses, 9, 3), 0.5 * mean(report.losses, 0, 3));
  for (const TrainValidation& v : report.validation) EXPECT_EQ(v.even, 1) << v.set;
  const Pool pool = Pool::open(folder_.path() / "pool");
  EXPECT_EQ(pool.size(), 3u);
  EXPECT_EQ(pool.manifest().first_layer, 1);
  EXPECT_EQ(pool.gate().reference.rows, 16u);
  EXPECT_EQ(pool.manifest().scope.sizes, std::vector<std::size_t>{}) << "too few rows a set";
  EXPECT_EQ(pool.manifest().calibration.n, 10u);  // 10 rows a set, half of them the task's
  EXPECT_GT(pool.manifest().calibration.guess, 0);
  EXPECT_THAT(pool.manifest().training_json, HasSubstr("\"seed\":5"));
  EXPECT_THAT(notes_.str(), HasSubstr("a = 0.5"));
}

TEST_F(Training, AllValidationRowsOfASetSayWhatIsOfATask) {
  write_training_files(folder_.path(), "calibration_items = 24\n");
  ASSERT_TRUE(run().finished);
  const ScopeModel scope = Pool::open(folder_.path() / "pool").manifest().scope;
  EXPECT_EQ(scope.sizes, (std::vector<std::size_t>{4, 8, 16})) << "8 rows more for each";
  EXPECT_NO_THROW(check_scope_model(scope, "scope"));
}

TEST_F(Training, AResumedRunHasTheLossesOfAnUninterruptedOne) {
  const TrainReport whole = run();

  TemporaryFolder other;
  prepare(other.path());
  TrainRunOptions first;
  first.stop_after = 6;
  const TrainReport begun = train_pool(config(other.path()), first, notes_);
  EXPECT_FALSE(begun.finished);
  EXPECT_THAT(begun.note, HasSubstr("--resume"));
  TrainRunOptions rest;
  rest.resume = true;
  const TrainReport ended = train_pool(config(other.path()), rest, notes_);

  std::vector<double> losses = begun.losses;
  losses.insert(losses.end(), ended.losses.begin(), ended.losses.end());
  ASSERT_EQ(losses.size(), whole.losses.size());
  for (std::size_t i = 0; i < losses.size(); ++i) {
    EXPECT_NEAR(losses[i], whole.losses[i], 1e-4 * whole.losses[i]) << i;
  }
  EXPECT_EQ(ended.samples, whole.samples);
}

// It stops half-way, goes on and exports.
TEST_F(Training, AGpuTrainsAsTheProcessorDoes) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU, or a libtorch without CUDA";
  const TrainReport want = run();
  for (const auto& [type, tolerance] : {std::pair{"f32", 1e-3}, {"bf16", 0.1}}) {
    TemporaryFolder other;
    prepare(other.path());
    TrainConfig settings = config(other.path());
    settings.train.device = "cuda";
    settings.train.number_type = type;
    TrainRunOptions first;
    first.stop_after = 6;
    std::vector<double> losses = train_pool(settings, first, notes_).losses;
    TrainRunOptions rest;
    rest.resume = true;
    const TrainReport ended = train_pool(settings, rest, notes_);

    EXPECT_TRUE(ended.finished);
    losses.insert(losses.end(), ended.losses.begin(), ended.losses.end());
    ASSERT_EQ(losses.size(), want.losses.size());
    for (std::size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(losses[i], want.losses[i], tolerance * (0.1 + want.losses[i])) << type << i;
    }
    EXPECT_EQ(Pool::open(other.path() / "pool").size(), 3u);
  }
}

TEST_F(Training, TwoRunsOfOneSeedWriteTheSameBytes) {
  (void)run();
  TemporaryFolder other;
  prepare(other.path());
  (void)train_pool(config(other.path()), {}, notes_);
  const auto a = files_below(folder_.path() / "pool");
  const auto b = files_below(other.path() / "pool");
  ASSERT_GT(a.size(), 4u);
  for (const auto& [name, bytes] : a) {
    ASSERT_TRUE(b.count(name)) << name;
    EXPECT_TRUE(b.at(name) == bytes) << name;
  }
}

TEST_F(Training, EngineScoresWithTheWrittenPoolAsTheTrainerDid) {
  (void)run();
  const auto model = open_model(folder_.path() / "tiny.gguf");
  Pool pool = Pool::open(folder_.path() / "pool");
  const std::vector<float> weights = {0.2f, 0.5f, 0.3f};

  const TrainConfig settings = config();
  const Checkpoint stored = checkpoints().load_newest();
  const Network network(*model);
  Learner learner(network, settings, pool.gate().keys, pool.gate().reference);
  learner.load(stored.tensors);
  const LoadedItems items = load_items(settings, *model, notes_);
  TrunkCache cache(
      network,
      {.first_layer = settings.pool.first_layer, .embedding = settings.gate.embedding, .bytes = 0},
      items.count);
  const torch::Tensor w = torch::tensor(weights);
  const Adapters adapters{learner.lora(), w};
  const auto rows = validation_items(items.sets[1], 5);
  const auto want = score_items(network, cache, rows, settings.pool.first_layer, &adapters);

  const auto engine = model->open_engine({.threads = 1, .context_tokens = 256, .exact = true});
  const Blend blend = pool.blend(weights);
  const std::vector<BlendPart> parts = {{blend.adapter, 1.0f}};
  engine->set_adapters(parts);
  const auto examples = read_examples(folder_.path() / "ways.jsonl");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ScoreRequest request;
    request.prompt = render(settings.prompt, examples[i]);
    const ScoreResult got = engine->score(request, settings.gate.embedding);
    for (std::size_t c = 0; c < 2; ++c) {
      EXPECT_NEAR(got.choices[c].mean_log_prob(), want[i][c], 1e-3) << i << " " << c;
    }
  }
}

TEST_F(Training, KeysMayStartAtRandomAndStayThere) {
  TrainConfig still = config();
  still.train.key_learning_rate = 0;
  (void)train_pool(still, {}, notes_);
  const Matrix centres = Pool::open(folder_.path() / "pool").gate().keys;
  still.gate.keys = "random";
  (void)train_pool(still, {.restart = true}, notes_);
  const Matrix random = Pool::open(folder_.path() / "pool").gate().keys;
  EXPECT_NE(random.data, centres.data);
  still.train.steps = 3;
  (void)train_pool(still, {.restart = true}, notes_);
  const Matrix again = Pool::open(folder_.path() / "pool").gate().keys;
  for (std::size_t i = 0; i < again.data.size(); ++i) {
    EXPECT_NEAR(again.data[i], random.data[i], 1e-5) << "of the seed alone";
  }
}

TEST_F(Training, TheLossIsTheWeightedSumOfItsParts) {
  TrainConfig weighted = config();
  weighted.train.choice_weight = 0.5;
  weighted.train.answer_weight = 2;
  (void)train_pool(weighted, {}, notes_);
  std::istringstream log(read_text(weighted.train.checkpoints / "log.jsonl"));
  std::size_t steps = 0;
  for (std::string text; std::getline(log, text);) {
    const auto line = nlohmann::json::parse(text);
    if (!line.contains("choice")) continue;
    const auto part = [&](const char* key) { return line.at(key).get<double>(); };
    EXPECT_NEAR(part("loss"),
                0.5 * part("choice") + 2 * part("answer") +
                    weighted.train.balance * part("balance") +
                    weighted.train.diversity * part("diversity"),
                1e-4);
    ++steps;
  }
  EXPECT_EQ(steps, 12u);
}

TEST_F(Training, ARunThatIsThereIsNotOverwrittenUnlessAsked) {
  TrainRunOptions some;
  some.stop_after = 2;
  (void)run(some);
  EXPECT_THAT([&] { (void)run(); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                  Property(&Error::what, HasSubstr("--resume")),
                                  Property(&Error::what, HasSubstr("--restart")))));
  some.restart = true;
  EXPECT_EQ(run(some).steps, 2);
}

TEST_F(Training, ARestartThatIsRefusedLeavesCheckpointsAndLog) {
  TrainRunOptions options;
  options.stop_after = 2;
  (void)run(options);
  const auto before = files_below(config().train.checkpoints);
  options.restart = true;
  TrainConfig no_such_layer = config(), no_such_model = config(), too_many = config();
  no_such_layer.pool.first_layer = 3;
  no_such_model.pool.base = "missing.gguf";
  too_many.pool.n_adapters = 200;  // more than there are prompts
  for (const TrainConfig& refused : {no_such_layer, no_such_model, too_many}) {
    EXPECT_THROW((void)train_pool(refused, options, notes_), Error);
    EXPECT_EQ(files_below(config().train.checkpoints), before);
  }
  TrainRunOptions exported;
  exported.restart = exported.export_only = true;
  EXPECT_THAT([&] { (void)run(exported); },
              Throws<Error>(Property(&Error::what, HasSubstr("--export and --restart"))));
  EXPECT_EQ(files_below(config().train.checkpoints), before);
}

TEST_F(Training, TheBaseIsMeasuredAnewWhenTheNumberOfRowsHasChanged) {
  TrainRunOptions options;
  options.stop_after = 6;
  (void)run(options);
  Checkpoint stored = checkpoints().load_newest();
  ASSERT_EQ(stored.validation.size(), 2u);
  ASSERT_EQ(stored.validation[0].n, 6u);
  for (TrainValidation& v : stored.validation) v.base = 0.125;
  checkpoints().save(stored);
  TrainConfig fewer = config();
  fewer.train.validation_items = 5;
  options = {.resume = true, .stop_after = 4};  // validates after step 10
  const TrainReport anew = train_pool(fewer, options, notes_);
  ASSERT_EQ(anew.validation.size(), 2u);
  for (const TrainValidation& v : anew.validation) {
    EXPECT_EQ(v.n, 5u) << v.set;
    EXPECT_NE(v.base, 0.125) << v.set;
  }
  checkpoints().clear();
  checkpoints().save(stored);
  for (const TrainValidation& v : run(options).validation) {
    EXPECT_EQ(v.base, 0.125) << v.set << ": measured again on the same rows";
  }
}

TEST_F(Training, ResumeWithoutACheckpointIsNotFound) {
  TrainRunOptions options;
  options.resume = true;
  EXPECT_THAT([&] { (void)run(options); },
              Throws<Error>(Property(&Error::code, ErrorCode::NotFound)));
}

TEST_F(Training, ResumeWithAChangedConfigNamesTheKeys) {
  TrainRunOptions options;
  options.stop_after = 2;
  (void)run(options);
  TrainConfig changed = config();
  changed.train.learning_rate = 0.5;
  options.resume = true;
  EXPECT_THAT([&] { (void)train_pool(changed, options, notes_); },
              Throws<Error>(
                  AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                        Property(&Error::what, HasSubstr("train.learning_rate (0.02, now 0.5)")))));
}

TEST_F(Training, ResumeWithChangedDataNamesTheSet) {
  TrainRunOptions options;
  options.stop_after = 2;
  (void)run(options);
  write_training_set(folder_.path() / "ways.jsonl", "left", "right", "turns");
  options.resume = true;
  EXPECT_THAT([&] { (void)run(options); },
              Throws<Error>(Property(&Error::what, HasSubstr("data.ways ("))));
}

TEST_F(Training, ALossThatIsNotFiniteIsOneErrorAndKeepsTheCheckpoint) {
  TrainRunOptions options;
  options.stop_after = 2;
  (void)run(options);
  Checkpoint broken = checkpoints().load_newest();
  for (auto& [name, tensor] : broken.tensors) {
    if (name.rfind("blk.", 0) == 0) std::fill(tensor.data.begin(), tensor.data.end(), 1e30f);
  }
  checkpoints().save(broken);
  options.resume = true;
  EXPECT_THAT([&] { (void)run(options); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                  Property(&Error::what, HasSubstr("expected finite")),
                                  Property(&Error::what, HasSubstr("is kept")))));
  EXPECT_EQ(checkpoints().load_newest().step, 2);
}

/// Sets the flag of Ctrl-C when the first validation table is printed, in the middle of a run.
class InterruptingBuffer : public std::stringbuf {
 protected:
  std::streamsize xsputn(const char* text, std::streamsize n) override {
    if (std::string_view(text, static_cast<std::size_t>(n)).find("mean") != std::string::npos) {
      set_interrupted(true);
    }
    return std::stringbuf::xsputn(text, n);
  }
};

TEST_F(Training, AnInterruptedRunLeavesACheckpointToGoOnFrom) {
  InterruptingBuffer buffer;
  std::ostream notes(&buffer);
  EXPECT_THROW((void)train_pool(config(), {}, notes), Interrupted);
  set_interrupted(false);
  const auto stored = checkpoints().load_newest();
  EXPECT_EQ(stored.step, 6);  // validated after step 5, stopped after the next
  EXPECT_FALSE(fs::exists(folder_.path() / "pool"));
  TrainRunOptions options;
  options.resume = true;
  EXPECT_TRUE(run(options).finished);
}

TEST_F(Training, ExportWritesTheSamePoolFromTheCheckpoint) {
  (void)run();
  const auto before = files_below(folder_.path() / "pool");
  fs::remove_all(folder_.path() / "pool");
  TrainRunOptions options;
  options.export_only = true;
  EXPECT_TRUE(run(options).finished);
  const auto after = files_below(folder_.path() / "pool");
  EXPECT_EQ(before.size(), after.size());
  EXPECT_TRUE(before.at("adapters/a0.gguf") == after.at("adapters/a0.gguf"));
}

TEST_F(Training, RefusesLayersThatTheBaseDoesNotHave) {
  TrainConfig settings = config();
  settings.pool.first_layer = 3;
  EXPECT_THAT([&] { (void)train_pool(settings, {}, notes_); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                  Property(&Error::what, HasSubstr("first_layer is 3")))));
}

TEST_F(Training, LeavesOutLongItemsAndSaysSo) {
  {
    std::ofstream out(folder_.path() / "moods.jsonl", std::ios::app);
    out << R"({"question": ")" << std::string(400, 'x')
        << R"(", "choices": ["good", "bad"], "answer": 0})" << '\n';
    out << R"({"question": "no answer", "choices": ["good", "bad"]})" << '\n';
  }
  const auto model = open_model(folder_.path() / "tiny.gguf");
  const LoadedItems items = load_items(config(), *model, notes_);
  EXPECT_EQ(items.sets[0].train.size(), 24u);
  EXPECT_EQ(items.sets[0].too_long, 1u);
  EXPECT_EQ(items.sets[0].unlabelled, 1u);
  EXPECT_THAT(notes_.str(), HasSubstr("1 left out as too long, 1 without answer"));
}

TEST_F(Training, SubsampledChoicesKeepTheRightOne) {
  {
    std::ofstream out(folder_.path() / "moods.jsonl");
    for (int i = 0; i < 8; ++i) {
      out << R"({"question": "pick", "choices": ["a", "b", "c", "d", "e", "right"], "answer": 5})"
          << '\n';
    }
  }
  const auto model = open_model(folder_.path() / "tiny.gguf");
  const LoadedItems items = load_items(config(), *model, notes_);
  for (const TrainItem& item : items.sets[0].train) {
    ASSERT_EQ(item.tokens.branches.size(), 3u);
    const auto& branch = item.tokens.branches[static_cast<std::size_t>(item.answer)];
    EXPECT_EQ(model->detokenize(branch), " right");
  }
  for (const TrainItem& item : items.sets[0].validation) {
    EXPECT_EQ(item.tokens.branches.size(), 6u);
  }
}

}  // namespace
}  // namespace crayon
