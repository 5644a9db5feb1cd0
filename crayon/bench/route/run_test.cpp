#include "crayon/bench/route/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "crayon/base/files.h"
#include "crayon/base/interrupt.h"
#include "crayon/bench/route/device.h"
#include "crayon/bench/route/internal/route_world_test.h"
#include "crayon/bench/route/report.h"
#include "crayon/pool/edit_pool.h"
#include "crayon/session/answer.h"
#include "tests/errors.h"

namespace crayon {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pointwise;
using ::testing::SizeIs;

class Route : public ::testing::Test {
 protected:
  void TearDown() override { set_interrupted(false); }
  /// The report without what depends on the clock.
  static nlohmann::json timeless(const RouteRun& run, const RoutePlan& plan) {
    BenchSettings settings;
    settings.version = "test";
    auto json = nlohmann::json::parse(route_report_json(run, plan, settings));
    json.erase("times");
    return json;
  }
  std::size_t questions_heard() {
    const auto heard = world_.server().heard();
    return static_cast<std::size_t>(std::ranges::count_if(
        heard, [](const std::string& text) { return text.starts_with("POST"); }));
  }
  RouteWorld world_;
};

TEST_F(Route, BothSidesAnswerEveryQuestionAndExampleAndTheMix) {
  const RoutePlan plan = world_.plan({1, 2});
  const RouteRun run = world_.run(plan, "work");
  EXPECT_THAT(run.device, SizeIs(3 * 2));
  EXPECT_THAT(run.server, SizeIs(3 + 3 * 2));
  EXPECT_EQ(run.planned, run.device.size() + run.server.size());
  for (const DeviceResult& one : run.device) {
    EXPECT_THAT(one.examples.scores, SizeIs(4));
    EXPECT_THAT(one.questions.scores, SizeIs(6));
    EXPECT_THAT(one.mixed.scores, SizeIs(one.task == "third" ? 0 : 6)) << "it has no near one";
    EXPECT_THAT(one.questions.confidence, SizeIs(6));
    EXPECT_NE(one.kept, "");
  }
  for (const ServerResult& one : run.server) {
    EXPECT_THAT(one.choices, Each(1)) << "it says B to everything";
    EXPECT_THAT(one.choices, SizeIs(one.examples ? 4 : 6));
  }
  EXPECT_EQ(run.question_z[0].rows, 6u);
  EXPECT_EQ(run.example_z[2][1].rows, 6u) << "all that there are, for scope";
  // Two draws of 4 among 6 examples: what was asked once is not asked again.
  EXPECT_LE(questions_heard(), 3u * (6 + 6));
}

/// The device's side is what `ask` answers, with the same confidence and scope.
TEST_F(Route, TheDeviceAnswersAsAskDoes) {
  Pool& pool = world_.world().pool();
  write_edit(pool.folder(), with_calibration(pool, {.slope = 0.6, .intercept = -1, .guess = 0.3}));
  pool = Pool::open(pool.folder());
  const RoutePlan plan = world_.plan();
  const RouteRun run = world_.run(plan, "work");
  for (std::size_t t = 0; t < run.tasks.size(); ++t) {
    std::vector<Example> examples;
    for (const BenchRow& row : draw_examples(run.tasks[t], 4, 1)) examples.push_back(row.example);
    const CustomizeReport task =
        customize(world_.world().pool(), world_.world().model(), world_.world().engine(), examples);
    const auto file = world_.world().path("task.gguf");
    write_atomically(file, std::span<const std::byte>(task.file));
    Answerer answerer(world_.world().model(), world_.world().engine(), open_task(file.string()));
    const DeviceResult& found =
        *std::ranges::find(run.device, run.tasks[t].name, &DeviceResult::task);
    EXPECT_THAT(found.recent_scores, Pointwise(DoubleNear(5e-3), task.task.info->recent_scores));
    EXPECT_NEAR(found.calibration.guess, task.task.info->calibration.guess, 1e-6);
    EXPECT_GT(found.calibration.guess, 0);
    const DeviceRows& rows = found.questions;
    for (std::size_t q = 0; q < rows.size(); ++q) {
      const Example& question = run.tasks[t].questions[q].example;
      const Answer answer = answerer.answer(question);
      EXPECT_NEAR(answer.confidence, rows.confidence[q], 5e-3);
      EXPECT_NEAR(answer.scope.value(), rows.scope[q], 1e-5);
      ASSERT_EQ(answer.scores.size(), rows.scores[q].size());
      for (std::size_t c = 0; c < answer.scores.size(); ++c) {
        EXPECT_NEAR(answer.scores[c], rows.scores[q][c], 2e-2);
      }
      const int best = best_choice(rows.scores[q]);
      EXPECT_EQ(rows.right[q] != 0, best == *question.answer);
    }
  }
}

/// Of the K examples it says what the task was calibrated on: leave-one-out.
TEST_F(Route, TheExamplesAreAnsweredAsLeaveOneOutDid) {
  const RoutePlan plan = world_.plan();
  const RouteRun run = world_.run(plan, "work");
  const ResultStore store(world_.world().path("other"));
  BenchScorer scorer(world_.world().model(), world_.world().engine(),
                     world_.world().pool().manifest().prompt, store,
                     {.context_tokens = 128, .first_layer = 1});
  RouteDevice device(world_.world().pool(), scorer, draw_examples(run.tasks[0], 4, 1));
  const DeviceRows rows = device.answer_examples();
  const auto& judged = device.info().judged;
  ASSERT_THAT(judged, SizeIs(4));
  for (std::size_t k = 0; k < judged.size(); ++k) {
    EXPECT_EQ(rows.right[k] != 0, judged[k].right);
    EXPECT_NEAR(choice_signals(rows.scores[k]).margin, judged[k].signals.margin, 1e-3);
  }
}

TEST_F(Route, ARunThatWasStoppedGoesOnAndGivesTheSame) {
  const RoutePlan plan = world_.plan();
  const auto whole = timeless(world_.run(plan, "whole"), plan);
  const std::size_t asked = questions_heard();
  world_.server().forget();
  EXPECT_THROW((void)world_.run(plan, "stopped", true, {},
                                [](std::size_t done, std::size_t, const std::string&) {
                                  if (done == 4) set_interrupted(true);
                                }),
               Interrupted);
  set_interrupted(false);
  const RouteRun run = world_.run(plan, "stopped");
  EXPECT_EQ(timeless(run, plan), whole);
  EXPECT_EQ(questions_heard(), asked) << "each once, in both parts together";
}

TEST_F(Route, WhatWasAnsweredIsKeptWhereTheServerIsGone) {
  const RoutePlan plan = world_.plan();
  const auto whole = timeless(world_.run(plan, "work"), plan);
  world_.server().forget();
  const RouteRun again = world_.run(plan, "work", /*asked=*/false);
  EXPECT_EQ(questions_heard(), 0u);
  const auto json = timeless(again, plan);
  EXPECT_THAT(json["settings"]["missing_servers"], IsEmpty());
  EXPECT_EQ(json["servers"], whole["servers"]);
  const RouteRun without = world_.run(plan, "empty", /*asked=*/false);
  EXPECT_THAT(without.servers, IsEmpty());
  EXPECT_EQ(timeless(without, plan)["settings"]["missing_servers"][0]["server"], "big");
  EXPECT_EQ(without.planned, 3u) << "the device alone";
  EXPECT_THAT(timeless(without, plan)["servers"], IsEmpty());
}

TEST_F(Route, AnEarlierReportIsTakenOver) {
  const RoutePlan plan = world_.plan();
  const RouteRun first = world_.run(plan, "one");
  const auto file = world_.world().path("route.json.gz");
  write_report(file, route_report_json(first, plan, {}));
  world_.server().forget();
  std::vector<TakenOver> taken;
  RouteRunOptions options;
  options.earlier.push_back(read_route_results(file));
  options.on_taken_over = [&](const TakenOver& counts) { taken.push_back(counts); };
  options.slice = std::chrono::seconds(0);
  const RouteRun second = world_.run(plan, "two", true, options);
  EXPECT_EQ(timeless(second, plan), timeless(first, plan));
  EXPECT_EQ(questions_heard(), 0u);
  ASSERT_THAT(taken, SizeIs(1));
  EXPECT_EQ(taken[0].taken, 9u);
  EXPECT_EQ(taken[0].others, 0u);

  options.earlier[0].device[0].questions.right.pop_back();
  EXPECT_THAT([&] { (void)world_.run(plan, "two", true, options); },
              test::error_of(ErrorCode::CorruptFile, "its 6 questions"));
}

TEST_F(Route, APoolWithAnotherScopeModelAnswersAnew) {
  const RoutePlan plan = world_.plan();
  EXPECT_THAT(world_.run(plan, "work").device, SizeIs(3));
  Pool& pool = world_.world().pool();
  const std::string id = pool.manifest().id;
  Matrix quantiles(1, 2);
  quantiles.data = {0.5f, 1.5f};
  write_edit(pool.folder(), with_scope_model(pool, {{4}, quantiles}));
  pool = Pool::open(pool.folder());
  EXPECT_EQ(pool.manifest().id, id);
  RouteRunOptions options;
  options.slice = std::chrono::seconds(0);
  EXPECT_THAT(world_.run(plan, "work", true, options).device, IsEmpty());
}

TEST_F(Route, APoolWithAnotherCalibrationAnswersAsBeforeAndIsAsSureAsThatSays) {
  const RoutePlan plan = world_.plan();
  const RouteRun before = world_.run(plan, "work");
  Pool& pool = world_.world().pool();
  write_edit(pool.folder(), with_calibration(pool, {.slope = 0.1, .intercept = 2, .guess = 0.3}));
  pool = Pool::open(pool.folder());
  RouteRunOptions options;
  options.slice = std::chrono::seconds(0);
  const RouteRun after = world_.run(plan, "work", true, options);
  ASSERT_THAT(after.device, SizeIs(3));
  for (std::size_t t = 0; t < 3; ++t) {
    const DeviceResult& old = before.device[t];
    const DeviceResult& now = after.device[t];
    EXPECT_EQ(now.questions.scores, old.questions.scores);
    EXPECT_NEAR(now.calibration.guess, 1 / static_cast<double>(now.questions.scores[0].size()),
                1e-6);
    EXPECT_NE(now.questions.confidence, old.questions.confidence);
    EXPECT_NE(now.recent_scores, old.recent_scores);
  }
}

TEST_F(Route, ASliceOfNoTimeHasNothingToSummarise) {
  const RoutePlan plan = world_.plan();
  RouteRunOptions options;
  options.slice = std::chrono::seconds(0);
  const RouteRun run = world_.run(plan, "work", true, options);
  EXPECT_THAT(run.device, IsEmpty());
  EXPECT_EQ(run.planned, 9u);
  const std::string json = route_report_json(run, plan, {});
  EXPECT_THAT(route_report_text(json, "it"), HasSubstr("PARTIAL: 0 of 9"));
  EXPECT_THAT(route_report_html(json, "it"), HasSubstr("No task has been answered"));
}

TEST_F(Route, AServerThatFailsIsNamedWithTask) {
  RemoteOptions dead;
  dead.servers.push_back({.url = "http://127.0.0.1:9", .model = "big"});
  dead.retry.retries = 0;
  Remote remote(dead);
  const ResultStore store(world_.world().path("dead"));
  EXPECT_THAT(
      [&] {
        (void)run_route(world_.plan(), world_.world().pool(), world_.world().model(),
                        world_.world().engine(), {{"big", &remote}}, store,
                        {.context_tokens = 128});
      },
      test::error_of(ErrorCode::Unavailable, "task 'far', big: example 'far"));
}

TEST_F(Route, TwoServersOfOneNameAreRefused) {
  const ResultStore store(world_.world().path("work"));
  EXPECT_THAT(
      [&] {
        (void)run_route(world_.plan(), world_.world().pool(), world_.world().model(),
                        world_.world().engine(), {{"big", nullptr}, {"big", nullptr}}, store);
      },
      test::error_of(ErrorCode::InvalidArgument, "two servers of the model 'big'"));
}

}  // namespace
}  // namespace crayon
