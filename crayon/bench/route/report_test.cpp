#include "crayon/bench/route/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "crayon/base/files.h"
#include "crayon/bench/route/internal/route_world_test.h"
#include "crayon/gate/scope.h"
#include "crayon/stats/stats.h"
#include "tests/errors.h"

namespace crayon {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

/// One run for all tests of this file.
class RouteReport : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = new RouteWorld;
    const RoutePlan plan = world_->plan({1, 2});
    BenchSettings settings;
    settings.version = "0 <test>";
    settings.commit = "c0ffee+";
    settings.pool_sha256 = std::string(64, 'b');
    settings.command = "crayon bench route </script>";
    settings.pool = "pool & co";
    text_ = route_report_json(world_->run(plan, "work"), plan, settings);
    report_ = json::parse(text_);
  }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }
  static inline RouteWorld* world_ = nullptr;
  static inline std::string text_;
  static inline json report_;
};

TEST_F(RouteReport, KeepsEveryQuestionsScoresAndWhoIsRight) {
  EXPECT_EQ(report_["schema"], "crayon-bench-route/1");
  EXPECT_EQ(report_["cells"], json({{"planned", 15}, {"done", 15}}));
  EXPECT_THAT(report_["results"]["device"], SizeIs(6));
  EXPECT_THAT(report_["results"]["servers"], SizeIs(9));
  const json& device = report_["results"]["device"][0];
  EXPECT_THAT(device["questions"]["scores"], SizeIs(6));
  EXPECT_THAT(device["questions"]["right"], SizeIs(6));
  std::size_t with_scores = 0;
  for (const json& router : report_["routers"]) with_scores += router["fixed_share"].is_null();
  EXPECT_THAT(report_["scores"], SizeIs(3 * 2 * with_scores));
  EXPECT_THAT(report_["scores"][0]["questions"], SizeIs(6));
  EXPECT_THAT(report_["scores"][0]["mixed"], SizeIs(6));
  EXPECT_THAT(report_["tasks"][0]["mixed"], SizeIs(6));
}

TEST_F(RouteReport, NamesTheCommitAndThePoolsHashWhereTheyAreKnown) {
  EXPECT_EQ(report_["settings"]["commit"], "c0ffee+");
  const std::string hash(64, 'b');
  EXPECT_THAT(route_report_html(text_, "r"), AllOf(HasSubstr("<dd>c0ffee+</dd>"), HasSubstr(hash)));
  json earlier = report_;
  for (const char* key : {"commit", "pool_sha256"}) earlier["settings"].erase(key);
  EXPECT_THAT(route_report_html(earlier.dump(), "r"),
              AllOf(HasSubstr("<dt>Commit</dt><dd>unknown</dd>"), Not(HasSubstr(hash))));
}

TEST_F(RouteReport, SaysOfEachRouterWhatItsAnswersSay) {
  const json& server = report_["servers"][0];
  EXPECT_EQ(server["server"], "big");
  EXPECT_THAT(server["tasks"], SizeIs(3));
  EXPECT_THAT(server["all"][0]["curve"], SizeIs(101));
  for (const json& task : server["by_task"]) {
    for (const json& router : task["routers"]) {
      const json& apgr = router["metrics"]["apgr"]["value"];
      if (router["router"] == "random" && !apgr.is_null()) {
        EXPECT_NEAR(apgr.get<double>(), 0.5, 1e-3);
      }
      EXPECT_EQ(router["curve"].front(), task["device"]);
      EXPECT_EQ(router["curve"].back(), task["server"]);
    }
  }
  // One router on one task by hand: the device's right answers, its scores, both draws.
  const json& margin = *std::ranges::find_if(
      server["by_task"][0]["routers"], [](const json& one) { return one["router"] == "margin"; });
  double mean = 0;
  double n = 0;
  for (const json& scores : report_["scores"]) {
    if (scores["router"] != "margin" || scores["task"] != "far") continue;
    for (const json& device : report_["results"]["device"]) {
      if (device["task"] != "far" || device["seed"] != scores["seed"]) continue;
      const auto right = device["questions"]["right"].get<std::vector<std::uint8_t>>();
      if (std::ranges::count(right, 1) % 6 == 0) continue;
      mean += auroc(scores["questions"].get<std::vector<double>>(), right);
      ++n;
    }
  }
  if (n > 0) {
    EXPECT_NEAR(margin["metrics"]["auroc"]["value"].get<double>(), mean / n, 1e-3);
  }
}

TEST_F(RouteReport, CalibrationErrorsStandBesideWhatChanceAloneMakesOfThem) {
  double after = 0;
  double by_chance = 0;
  for (const json& device : report_["results"]["device"]) {
    if (device["task"] != "far") continue;
    const auto confidence = device["questions"]["confidence"].get<std::vector<double>>();
    const auto right = device["questions"]["right"].get<std::vector<std::uint8_t>>();
    after += expected_calibration_error(confidence, right) / 2;  // two draws
    by_chance += calibration_error_by_chance(confidence) / 2;
  }
  const json& tasks = report_["calibration"]["by_task"];
  const json& far =
      *std::ranges::find_if(tasks, [](const json& task) { return task["task"] == "far"; });
  EXPECT_GT(by_chance, 0);
  EXPECT_NEAR(far["after"].get<double>(), after, 1e-3);
  EXPECT_NEAR(far["after_by_chance"].get<double>(), by_chance, 1e-3);
}

TEST_F(RouteReport, CalibrationErrorIsAlsoThatOfAllTasksQuestionsAsOneList) {
  const json& seeds = report_["settings"]["seeds"];
  double after = 0;
  double by_chance = 0;
  for (const json& seed : seeds) {
    std::vector<double> confidence;
    std::vector<std::uint8_t> right;
    for (const json& device : report_["results"]["device"]) {
      if (device["seed"] != seed) continue;
      const json& rows = device["questions"];
      confidence.insert(confidence.end(), rows["confidence"].begin(), rows["confidence"].end());
      right.insert(right.end(), rows["right"].begin(), rows["right"].end());
    }
    const auto n = static_cast<double>(seeds.size());
    after += expected_calibration_error(confidence, right) / n;
    by_chance += calibration_error_by_chance(confidence) / n;
  }
  const json& one_list = report_["calibration"]["one_list"];
  EXPECT_NEAR(one_list["after"].get<double>(), after, 1e-3);
  EXPECT_NEAR(one_list["after_by_chance"].get<double>(), by_chance, 1e-3);
  EXPECT_NE(one_list["after"], report_["calibration"]["after"]);
}

TEST_F(RouteReport, OneThresholdDividesAllTasksQuestionsTogether) {
  const json& pooled = report_["servers"][0]["pooled"];
  const json& margin =
      *std::ranges::find_if(pooled, [](const json& one) { return one["router"] == "margin"; });
  double mean = 0;
  for (const json& seed : report_["settings"]["seeds"]) {
    std::vector<double> scores;
    std::vector<std::uint8_t> right;
    for (const json& one : report_["scores"]) {
      if (one["router"] != "margin" || one["seed"] != seed) continue;
      scores.insert(scores.end(), one["questions"].begin(), one["questions"].end());
      for (const json& device : report_["results"]["device"]) {
        if (device["task"] != one["task"] || device["seed"] != seed) continue;
        const json& answers = device["questions"]["right"];
        right.insert(right.end(), answers.begin(), answers.end());
      }
    }
    ASSERT_THAT(right, SizeIs(18));
    mean += auroc(scores, right) / static_cast<double>(report_["settings"]["seeds"].size());
  }
  EXPECT_NEAR(margin["metrics"]["auroc"]["value"].get<double>(), mean, 1e-3);
}

TEST_F(RouteReport, TheOracleIsAtLeastAsGoodAsAnyRouter) {
  const json& all = report_["servers"][0]["all"];
  const json& oracle =
      *std::ranges::find_if(all, [](const json& one) { return one["router"] == "oracle"; });
  for (const json& one : all) {
    for (std::size_t k = 0; k <= 100; ++k) {
      EXPECT_LE(one["curve"][k].get<double>(), oracle["curve"][k].get<double>() + 1e-4);
    }
  }
  EXPECT_FALSE(all[0].contains("ours_minus_it"));
  EXPECT_TRUE(all[1].contains("ours_minus_it"));
}

TEST_F(RouteReport, RefusesARiskThatTooFewExamplesCannotPromise) {
  for (const json& one : report_["risks"]) {
    EXPECT_EQ(one["n"], 3) << "half of the questions";
    EXPECT_EQ(one["resamples"] == 0, one["risk"] == 0.05);
    EXPECT_EQ(one["from_examples"].is_null(), one["risk"] == 0.05);
    if (one["risk"] == 0.5) {
      EXPECT_TRUE(one["kept"].get<bool>());
    }
  }
  EXPECT_THAT(report_["scope"], SizeIs(3));
  EXPECT_TRUE(report_["scope"][2]["near"].is_null()) << "none has 64 examples";
  EXPECT_EQ(report_["scope"][0]["near"]["tasks"], 2);
  EXPECT_EQ(report_["scope"][0]["far"]["tasks"], 3);
  const json& outside = report_["scope"][1]["outside"];
  EXPECT_GE(outside["examples"]["own"].get<double>(), 0);
  EXPECT_LE(outside["examples"]["far"].get<double>(), 1);
  EXPECT_TRUE(outside["pool"].is_null()) << "this pool has no model of scope";
}

TEST_F(RouteReport, BecomesAPageThatNeedsNothingElse) {
  const std::string page = route_report_html(text_, "x<y.json");
  EXPECT_THAT(page, AllOf(HasSubstr("pool &amp; co"), HasSubstr("x&lt;y.json"),
                          HasSubstr("0 &lt;test&gt;"), HasSubstr("Against big")));
  EXPECT_THAT(page, AllOf(HasSubstr("id=\"deferral-0\""), HasSubstr("id=\"mixed-0\""),
                          HasSubstr("id=\"pooled-0\""), HasSubstr("id=\"shares-0\""),
                          HasSubstr("id=\"reliability\""), HasSubstr("id=\"risks\""),
                          HasSubstr("id=\"scope-plot\"")));
  EXPECT_THAT(page, Not(HasSubstr("route </script>")));
  EXPECT_THAT(page, Not(HasSubstr("src=\"")));
  for (const json& router : report_["routers"]) {
    EXPECT_THAT(page,
                HasSubstr("<th scope=\"row\">" + router["name"].get<std::string>() + "</th>"));
  }
}

TEST_F(RouteReport, BecomesText) {
  const std::string text = route_report_text(text_, "it");
  EXPECT_THAT(text, AllOf(HasSubstr("Server big: 3 tasks"), HasSubstr("Mixed traffic (2 tasks)"),
                          HasSubstr("query-logistic"), HasSubstr("refused"),
                          HasSubstr("Calibration error")));
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos;
       at = end + 1) {
    EXPECT_LE(end - at, 110u) << text.substr(at, end - at);
  }
}

/// A model that has seen no request so unlike its examples: only the least of the examples' own
/// p-values is then below the level, 6/7/26 of six.
TEST_F(RouteReport, SaysWhatCountsAsOfAnotherTaskWithThePoolsModel) {
  const RoutePlan plan = world_->plan({1, 2});
  RouteRun run = world_->run(plan, "work");
  run.scope = {.sizes = {3}, .quantiles = Matrix(1, 2)};
  run.scope.quantiles.data = {98, 99};
  double own = 0;
  for (std::size_t t = 0; t < 3; ++t) {
    for (const Matrix& z : run.example_z[t]) {
      const Scope alone(z.part(0, 6));
      const Matrix& questions = run.question_z[t];
      for (std::size_t q = 0; q < questions.rows; ++q) {
        own += alone.p_value(questions.row(q)) == alone.least_p_value() ? 1.0 : 0.0;
      }
    }
  }
  const std::string text = route_report_json(run, plan, {});
  const json outside = json::parse(text)["scope"][1]["outside"];
  EXPECT_NEAR(outside["pool"]["own"].get<double>(), own / (3 * 2 * 6), 1e-4);
  EXPECT_GT(own, 0);
  EXPECT_EQ(outside["examples"]["own"], 0) << "1/7 at least";
  EXPECT_THAT(route_report_html(text, "it"), HasSubstr("with the pool"));
  EXPECT_THAT(route_report_text(text, "it"), HasSubstr("and the pool"));
}

TEST_F(RouteReport, OfAnOlderProgramLacksOnlyTheShares) {
  json older = report_;
  for (json& one : older["scope"]) one.erase("outside");
  EXPECT_NO_THROW((void)route_report_html(older.dump(), "it"));
  EXPECT_THAT(route_report_text(older.dump(), "it"), HasSubstr("Scope, AUROC"));
}

TEST_F(RouteReport, OfAnotherKindOrNumberIsRefused) {
  EXPECT_TRUE(is_route_report(text_));
  EXPECT_FALSE(is_route_report(R"({"schema":"crayon-bench-customize/1"})"));
  EXPECT_FALSE(is_route_report("[1"));
  EXPECT_THAT([] { (void)route_report_text(R"({"schema":"crayon-bench-route/2"})", "a"); },
              test::error_of(ErrorCode::Unsupported, "a: a report of schema"));
  EXPECT_THAT([] { (void)route_report_text("nothing", "a"); },
              test::error_of(ErrorCode::CorruptFile, "a: no report of crayon bench route"));
}

/// Whatever key is taken away or made something else: a value or one clear error.
TEST_F(RouteReport, AnyBrokenKeyGivesOneClearError) {
  const auto file = world_->world().path("broken.json");
  const auto read = [&](const json& broken) {
    write_atomically(file, std::string_view(broken.dump()));
    try {
      (void)route_report_html(broken.dump(), "b");
      (void)route_report_text(broken.dump(), "b");
      (void)read_route_results(file);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::CorruptFile) << error.what();
      return 1;
    }
    return 0;
  };
  int refused = 0;
  int tried = 0;
  const json flat = report_.flatten();
  for (const auto& [pointer, value] : flat.items()) {
    if (++tried % 211 != 0) continue;
    json broken = report_;
    broken[json::json_pointer(pointer)] = value.is_string() ? json(7) : json("seven");
    refused += read(broken);
  }
  for (const auto& [key, value] : report_.items()) {
    if (key == "scores") continue;
    json broken = report_;
    broken.erase(key);
    if (key == "schema") continue;
    EXPECT_EQ(read(broken), 1) << key;
  }
  EXPECT_GT(refused, 3);
}

TEST(RoutePlans, AreReadWithFamiliesAndRefusedWithTheLine) {
  RouteWorld world;
  const auto read = [&](const std::string& text) {
    world.world().write("plan.toml", text);
    return read_route_plan(world.world().path("plan.toml"));
  };
  const RoutePlan plan = read(
      "tasks = \"routes.toml\"\nonly = [\"near\", \"third\"]\nk = 8\nseeds = [3, 4]\n"
      "servers = [\"big\"]\npool = \"pool\"\nrisks = [0.25]\n[families]\none = [\"near\", "
      "\"far\"]\n");
  EXPECT_THAT(plan.tasks, SizeIs(2));
  EXPECT_EQ(plan.k, 8u);
  EXPECT_EQ(plan.seeds, (std::vector<std::uint64_t>{3, 4}));
  EXPECT_EQ(plan.pool, world.world().path("pool"));
  EXPECT_EQ(plan.families.at("far"), "one");
  const std::pair<const char*, const char*> bad[] = {
      {"k = 8\n", "plan.toml:1: no 'tasks'"},
      {"tasks = \"routes.toml\"\nkk = 8\n", "plan.toml:2: unknown key 'kk'"},
      {"tasks = \"routes.toml\"\nk = -1\n", "k = -1"},
      {"tasks = \"routes.toml\"\nk = 2\n", "k = 2; expected 4 to 4096"},
      {"tasks = \"routes.toml\"\nrisks = [1.5]\n", "risk 1.5"},
      {"tasks = \"routes.toml\"\nshares = [2.0]\n", "share 2"},
      {"tasks = \"routes.toml\"\n[families]\none = [\"nears\"]\n", "'nears', which is no task"},
      {"tasks = \"routes.toml\"\n[families]\na = [\"near\"]\nb = [\"near\"]\n", "in two families"},
      {"tasks = \"routes.toml\"\nonly = [\"nera\"]\n", "did you mean near?"}};
  for (const auto& one : bad) {
    EXPECT_THAT([&] { (void)read(one.first); },
                test::error_of(ErrorCode::InvalidArgument, one.second));
  }
}

TEST(RoutePlans, TheCommittedOneIsSound) {
  const RoutePlan plan = read_route_plan(std::string(CRAYON_SOURCE_DIR) + "/benchmarks/route.toml");
  EXPECT_THAT(plan.tasks, SizeIs(12));
  EXPECT_THAT(plan.servers, SizeIs(2));
  const auto families = families_of(plan);
  for (std::size_t t = 0; t < families.size(); ++t) {
    EXPECT_FALSE(neighbours_of(families, t).near.empty()) << plan.tasks[t].name;
    EXPECT_FALSE(neighbours_of(families, t).far.empty()) << plan.tasks[t].name;
  }
}

}  // namespace
}  // namespace crayon
