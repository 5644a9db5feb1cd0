#include "crayon/bench/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/bench/internal/bench_world_test.h"
#include "crayon/bench/report.h"
#include "crayon/bench/train_lora.h"

namespace crayon {
namespace {

using ::testing::Each;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pointwise;
using ::testing::Property;
using ::testing::SizeIs;
using ::testing::Throws;

const std::vector<std::string> kLocal = {
    "base",   "few-shot",       "uniform",   "random",  "random-adapters", "top1",
    "crayon", "crayon-refined", "customize", "lorahub", "lorahub-exact",   "arrow",
    "linear", "ties",           "dare",      "probe",   "choice-probe",    "embedding-knn"};

class Run : public ::testing::Test {
 protected:
  void TearDown() override { set_interrupted(false); }
  /// The report without what depends on the clock.
  static nlohmann::json timeless(const BenchRun& run, const BenchPlan& plan) {
    BenchSettings settings;
    settings.version = "test";
    auto json = nlohmann::json::parse(report_json(run, plan, settings));
    json.erase("times");
    return json;
  }
  BenchWorld world_;
};

const BenchResult& find(const BenchRun& run, const std::string& task, const std::string& method) {
  return *std::ranges::find_if(run.results, [&](const BenchResult& result) {
    return result.task == task && result.method == method;
  });
}

TEST_F(Run, EveryMethodAnswersEveryQuestionOfEveryTask) {
  const BenchPlan plan = world_.plan(kLocal);
  const BenchRun run = world_.run(plan, "work");
  EXPECT_EQ(run.results.size(), kLocal.size() * 2 * 2);
  for (const BenchResult& result : run.results) {
    EXPECT_THAT(result.scores, SizeIs(6)) << result.method;
    EXPECT_THAT(result.scores, Each(SizeIs(3))) << result.method;
    EXPECT_THAT(result.calibrated, SizeIs(6)) << result.method;
    EXPECT_EQ(result.calibrates, result.scores != result.calibrated) << result.method;
  }
  EXPECT_NE(find(run, "near", "choice-probe").scores, find(run, "near", "base").scores);
  EXPECT_NE(find(run, "near", "choice-probe").scores, find(run, "near", "base").calibrated);
  EXPECT_TRUE(find(run, "near", "base").calibrates);
  EXPECT_TRUE(find(run, "near", "crayon").calibrates);
  EXPECT_NE(find(run, "near", "crayon").scores, find(run, "near", "base").scores);
  EXPECT_EQ(find(run, "near", "base").cost.adapter_bytes, 0u);
  EXPECT_EQ(find(run, "near", "few-shot").cost.shots, 4u);
  EXPECT_EQ(find(run, "near", "few-shot").cost.labels, 4u);
  EXPECT_EQ(find(run, "near", "crayon").cost.labels, 0u);
  EXPECT_EQ(find(run, "near", "crayon").cost.texts, 4u);
}

TEST_F(Run, EveryMethodWorksFromOneExample) {
  const BenchRun run = world_.run(world_.plan(kLocal, {1}, {1}), "work");
  EXPECT_EQ(run.results.size(), kLocal.size() * 2);
  for (const BenchResult& result : run.results) {
    EXPECT_THAT(result.scores, Each(SizeIs(3))) << result.method;
    EXPECT_THAT(result.calibrated, SizeIs(result.scores.size())) << result.method;
  }
  EXPECT_EQ(find(run, "near", "crayon-refined").scores, find(run, "near", "crayon").scores);
}

/// Whatever they keep, a bare blend too: their own choice is what is measured.
TEST_F(Run, LabelCalibrationLeavesMethodsAloneThatChooseTheirOwnHead) {
  BenchPlan plan = world_.plan({"base", "choice-probe", "customize"}, {1, 2, 4}, {1, 2, 3});
  const BenchRun run = world_.run(plan, "work");
  bool bare = false;
  for (const BenchResult& result : run.results) {
    if (result.method == "base") continue;
    EXPECT_FALSE(result.calibrates) << result.method << " K = " << result.k;
    const auto base = std::ranges::find_if(run.results, [&](const BenchResult& one) {
      return one.method == "base" && one.task == result.task;
    });
    bare = bare || result.scores == base->scores;
  }
  EXPECT_TRUE(bare) << "one of them keeps no head at all, else this shows nothing";
}

/// Where the gated adapters do nothing, a method that keeps the shared one below them gives its
/// scores.
TEST_F(Run, MethodsOnTheGatedAdaptersKeepTheSharedOneBelow) {
  std::vector<Adapter> adapters = world_.pool().adapters();
  for (Adapter& adapter : adapters) {
    for (LoraTensor& t : adapter.tensors) std::ranges::fill(t.b.data, 0.0f);
  }
  adapters.push_back(world_.pool().adapters().front());
  PoolManifest manifest = world_.pool().manifest();
  manifest.shared.resize(1);
  write_pool(world_.path("pool"), manifest, world_.pool().gate(), adapters, true);
  Pool pool = Pool::open(world_.path("pool"));
  const std::vector<std::string> keep = {"crayon",  "crayon-refined", "uniform", "random",
                                         "top1",    "linear",         "ties",    "dare",
                                         "lorahub", "lorahub-exact",  "arrow"};
  std::vector<std::string> methods = keep;
  methods.insert(methods.end(), {"base", "shared", "random-adapters"});
  const ResultStore store(world_.path("work"));
  const BenchRun run = run_bench(world_.plan(methods, {4}, {1}), pool, world_.model(),
                                 world_.engine(), {}, store, {.context_tokens = 128});
  const ScoreTable& shared = find(run, "near", "shared").scores;
  EXPECT_NE(shared, find(run, "near", "base").scores);
  for (const std::string& method : keep) {
    const ScoreTable& scores = find(run, "near", method).scores;
    ASSERT_EQ(scores.size(), shared.size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      EXPECT_THAT(scores[i], Pointwise(FloatNear(2e-2f), shared[i])) << method;
    }
  }
  const ScoreTable& random = find(run, "near", "random-adapters").scores;
  EXPECT_NE(random, shared);
  EXPECT_NE(random, find(run, "near", "base").scores)
      << "the shared one too is of random directions";
}

TEST_F(Run, MethodsThatCannotRunAreNamedWithTheReason) {
  const BenchRun run =
      world_.run(world_.plan({"base", "shared", "multitask", "server", "lora-k"}), "work");
  std::vector<std::string> names;
  for (const Unavailable& one : run.missing) {
    names.push_back(one.method);
    EXPECT_NE(one.why, "");
  }
  EXPECT_EQ(names, (std::vector<std::string>{"shared", "multitask", "server", "lora-k"}));
  EXPECT_EQ(run.results.size(), 4u);
}

/// What the program keeps is chosen, and its head fitted, on mean log-probs.
TEST_F(Run, CustomizeRunsWithTheScoringOfTheProgramAlone) {
  for (const Scoring scoring : {Scoring::Mean, Scoring::Sum, Scoring::Character, Scoring::Letter}) {
    BenchPlan plan = world_.plan({"base", "choice-probe", "customize"}, {4}, {1});
    plan.scoring = scoring;
    const BenchRun run = world_.run(plan, "work");
    if (scoring == Scoring::Mean) {
      EXPECT_THAT(run.missing, IsEmpty());
      EXPECT_EQ(run.results.size(), 6u);
      continue;
    }
    ASSERT_THAT(run.missing, SizeIs(1)) << to_string(scoring);
    EXPECT_EQ(run.missing[0].method, "customize");
    EXPECT_EQ(run.missing[0].why,
              "it scores choices by 'mean', not by '" + to_string(scoring) + "'");
    EXPECT_EQ(run.results.size(), 4u);
  }
}

TEST_F(Run, ExactScoresAreNeverTakenForOthers) {
  BenchPlan plan = world_.plan({"base"});
  const std::string key = world_.run(plan, "work").results.front().key;
  plan.exact = true;
  EXPECT_NE(world_.run(plan, "work").results.front().key, key);
}

TEST_F(Run, ResultsThatThePoolDoesNotDecideOutliveIt) {
  const BenchPlan plan = world_.plan({"base", "few-shot", "uniform", "crayon", "probe"});
  BenchWorld other(2);
  const BenchRun one = world_.run(plan, "work");
  const BenchRun two =
      other.run(other.plan({"base", "few-shot", "uniform", "crayon", "probe"}), "work");
  for (const char* method : {"base", "few-shot"}) {
    EXPECT_EQ(find(one, "near", method).key, find(two, "near", method).key) << method;
    EXPECT_EQ(find(one, "near", method).scores, find(two, "near", method).scores) << method;
  }
  for (const char* method : {"uniform", "crayon", "probe"}) {
    EXPECT_NE(find(one, "near", method).key, find(two, "near", method).key) << method;
  }
}

TEST_F(Run, TheSameInputsGiveTheSameReportButForTheTimes) {
  std::vector<std::string> methods = kLocal;
  methods.insert(methods.end(), {"multitask", "lora-k", "lora-full"});
  BenchTools tools;
  tools.multitask = &world_.pool();
  tools.train = [](const LoraRequest&) {
    return TrainedLora{random_model_adapter({}, 1, 2, 77), 12.5};
  };
  const BenchPlan plan = world_.plan(methods);
  EXPECT_EQ(timeless(world_.run(plan, "one", tools), plan),
            timeless(world_.run(plan, "two", tools), plan));
}

/// To score the K examples is not free; what the store has of it counts as it took.
TEST_F(Run, LabelCalibrationHasSecondsOfItsOwn) {
  const BenchPlan plan =
      world_.plan({"base", "few-shot", "random", "probe", "customize", "choice-probe"}, {4}, {1});
  const BenchRun run = world_.run(plan, "work");
  const BenchRun again = world_.run(plan, "work");
  for (std::size_t i = 0; i < run.results.size(); ++i) {
    const BenchResult& result = run.results[i];
    const auto& seconds = result.cost.calibrate_seconds;
    const bool is_own = result.method == "customize" || result.method == "choice-probe";
    ASSERT_EQ(seconds.has_value(), !is_own) << result.method;
    EXPECT_EQ(seconds, again.results[i].cost.calibrate_seconds) << result.method;
    if (seconds && result.method != "probe") {
      EXPECT_GT(*seconds, 0) << result.method;
    }
  }
  EXPECT_EQ(find(run, "near", "random").cost.texts, 0u) << "the examples seed its draw, no more";
}

TEST_F(Run, ARunThatWasStoppedGoesOnAndGivesTheSame) {
  const BenchPlan plan = world_.plan({"base", "few-shot", "crayon"});
  const auto whole = timeless(world_.run(plan, "whole"), plan);
  std::size_t before = 0;
  EXPECT_THROW((void)world_.run(plan, "stopped", {},
                                [&](std::size_t done, std::size_t, const std::string&) {
                                  before = done;
                                  if (done == 5) set_interrupted(true);
                                }),
               Interrupted);
  set_interrupted(false);
  EXPECT_EQ(before, 5u);
  std::size_t first = 0;
  bool called = false;
  const BenchRun run =
      world_.run(plan, "stopped", {}, [&](std::size_t done, std::size_t, const std::string&) {
        if (!called) first = done;
        called = true;
      });
  EXPECT_EQ(first, 5u);
  EXPECT_EQ(timeless(run, plan), whole);
}

TEST_F(Run, WhatCannotBeReadIsFoundBeforeAnyWork) {
  world_.write("far.jsonl", R"({"question":"a","choices":["x"],"answer":0})"
                            "\n");
  bool worked = false;
  EXPECT_THAT(
      [&] {
        (void)world_.run(world_.plan({"base"}), "work", {},
                         [&](std::size_t, std::size_t, const std::string&) { worked = true; });
      },
      Throws<Error>(Property(&Error::what, HasSubstr("far.jsonl:1"))));
  EXPECT_FALSE(worked);
}

TEST_F(Run, APoolForAnotherBaseIsRefused) {
  write_random_model(world_.path("other.gguf"), {.d_model = 32});
  const auto other = open_model(world_.path("other.gguf"));
  const auto engine = other->open_engine({.threads = 1, .context_tokens = 128});
  const ResultStore store(world_.path("work"));
  const BenchPlan plan = world_.plan({"base"});
  EXPECT_THAT([&] { (void)run_bench(plan, world_.pool(), *other, *engine, {}, store); },
              Throws<Error>(Property(&Error::code, ErrorCode::Incompatible)));
}

TEST_F(Run, ATrainedLoraIsUsedAndItsOwnTimeIsItsCost) {
  BenchTools tools;
  const Adapter lora = random_model_adapter({}, 1, 2, 77);
  tools.train = [&](const LoraRequest& request) {
    EXPECT_EQ(request.rows->size(), request.name == "lora-k" ? 4u : 6u);
    EXPECT_EQ(request.max_tokens, kUsualTokens);
    return TrainedLora{lora, 12.5};
  };
  const BenchRun run = world_.run(world_.plan({"base", "lora-k", "lora-full"}), "work", tools);
  EXPECT_EQ(find(run, "far", "lora-k").cost.customize_seconds, 12.5);
  EXPECT_EQ(find(run, "far", "lora-k").scores, find(run, "far", "lora-full").scores);
  EXPECT_NE(find(run, "far", "lora-k").scores, find(run, "far", "base").scores);
  EXPECT_EQ(find(run, "far", "lora-k").cost.labels, 4u);
  EXPECT_EQ(find(run, "far", "lora-full").cost.labels, 6u) << "of the training split";
}

/// few-shot is the base behind the answered examples; nothing else.
TEST_F(Run, FewShotIsTheBaseBehindTheExamples) {
  const BenchPlan plan = world_.plan({"few-shot"}, {2}, {1});
  const BenchRun run = world_.run(plan, "work");
  const BenchTask& task = run.tasks.front();
  std::string before;
  for (const BenchRow& row : draw_examples(task, 2, 1)) {
    before += row.example.question + " " +
              row.example.choices[static_cast<std::size_t>(*row.example.answer)] + "\n\n";
  }
  const RenderedPrompt prompt{.text = before + task.questions[3].example.question,
                              .choices = {" yes", " no", " maybe"}};
  world_.engine().set_adapters({});
  const auto want = mean_log_probs(world_.engine().score({prompt}, {}));
  EXPECT_THAT(run.results.front().scores[3], Pointwise(FloatNear(2e-2f), want));
}

}  // namespace
}  // namespace crayon
