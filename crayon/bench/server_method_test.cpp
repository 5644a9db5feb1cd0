// The method `server` against servers that answer as they like.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crayon/base/files.h"
#include "crayon/bench/internal/bench_world_test.h"
#include "crayon/bench/report.h"
#include "crayon/http/server.h"
#include "crayon/testing/recording_server.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Not;

/// Says one letter, and gives log-probs of A, B and C.
class LetterServer {
 public:
  LetterServer(const std::string& says, const std::vector<double>& letters)
      : http_(HttpServerOptions{}) {
    nlohmann::json token = {{"token", says}, {"logprob", -1}};
    for (std::size_t i = 0; i < letters.size(); ++i) {
      const std::string letter(1, static_cast<char>('A' + i));
      token["top_logprobs"].push_back({{"token", letter}, {"logprob", letters[i]}});
    }
    nlohmann::json choice = {{"index", 0}, {"finish_reason", "stop"}};
    choice["message"] = {{"role", "assistant"}, {"content", says}};
    choice["logprobs"]["content"].push_back(token);
    nlohmann::json reply = {{"model", "big"}};
    reply["choices"].push_back(choice);
    http_.route("POST", "/v1/chat/completions", [body = reply.dump()](const ServerRequest&) {
      return ServerResponse{.body = body};
    });
    http_.start();
  }
  [[nodiscard]] std::string url() const { return http_.url(); }

 private:
  HttpServer http_;
};

class ServerMethod : public ::testing::Test {
 protected:
  /// Two tasks whose answers are all the first choice.
  void SetUp() override {
    std::string rows;
    for (int k = 0; k < 12; ++k) {
      rows += fmt::format(
          R"({{"id":"q{0}","question":"ok {0}","choices":["yes","no","maybe"],"answer":0}})", k);
      rows += "\n";
    }
    world_.write("near.jsonl", rows);
  }
  BenchRun ask(const std::string& url, const std::string& work) {
    Remote remote(RemoteServer{.url = url, .model = "big"});
    BenchTools tools;
    tools.remote = &remote;
    return world_.run(plan_, work, tools, {}, {.server = "big"});
  }
  [[nodiscard]] std::string json(const BenchRun& run) const { return report_json(run, plan_, {}); }
  BenchWorld world_;
  BenchPlan plan_ = world_.plan({"server"}, {4}, {1});
};

const nlohmann::json& near_line(const nlohmann::json& report) {
  return *std::ranges::find_if(report["task_lines"], [](const nlohmann::json& line) {
    return line["task"] == "near" && !line["label_calibration"].get<bool>();
  });
}

TEST_F(ServerMethod, AReplyThatNamesNoChoiceIsWrongAndCounted) {
  const RecordingServer server("I cannot tell");
  const std::string first = json(ask(server.url(), "work"));
  const auto report = nlohmann::json::parse(first);
  EXPECT_EQ(near_line(report)["accuracy"], 0);
  for (const auto& result : report["results"]) {
    EXPECT_THAT(result["choices"].get<std::vector<int>>(), ElementsAre(-1, -1, -1, -1, -1, -1));
    EXPECT_EQ(result["choices_calibrated"], result["choices"]);
    EXPECT_EQ(result["unparsed"], nlohmann::json({0, 1, 2, 3, 4, 5}));
    EXPECT_FALSE(result["label_calibration"].get<bool>());
  }
  EXPECT_THAT(report_text(first, "r"),
              HasSubstr("named no choice, counted as wrong: server 12 of 12"));
  EXPECT_THAT(report_html(first, "r"),
              HasSubstr("named no choice, counted as wrong: server 6 of 6"));
}

/// Neither the store nor an earlier report makes them right again.
TEST_F(ServerMethod, SuchRepliesStayWrongWhenTheyAreTakenOver) {
  const RecordingServer server("I cannot tell");
  const BenchRun run = ask(server.url(), "work");
  const auto results = nlohmann::json::parse(json(run))["results"];
  EXPECT_EQ(nlohmann::json::parse(json(ask("http://127.0.0.1:9", "work")))["results"], results);
  write_report(world_.path("r.json"), json(run));
  RunOptions options{.server = "big"};
  options.earlier.push_back(read_results(world_.path("r.json")));
  EXPECT_EQ(nlohmann::json::parse(json(world_.run(plan_, "other", {}, {}, options)))["results"],
            results);
  EXPECT_EQ(nlohmann::json::parse(json(run))["tables"],
            nlohmann::json::parse(json(world_.run(plan_, "other", {}, {}, options)))["tables"]);
}

TEST_F(ServerMethod, AChoiceThatIsNamedCountsWithoutLetters) {
  const RecordingServer server("B");
  const std::string report = json(ask(server.url(), "work"));
  const auto parsed = nlohmann::json::parse(report);
  ASSERT_FALSE(parsed["results"].empty());
  for (const auto& result : parsed["results"]) {
    EXPECT_THAT(result["choices"].get<std::vector<int>>(), Each(1));
    EXPECT_EQ(result["scores"][0], nlohmann::json({-1, 0, -1}));
    EXPECT_FALSE(result.contains("unparsed"));
  }
  EXPECT_THAT(report_text(report, "r"), Not(HasSubstr("named no choice")));
}

TEST_F(ServerMethod, LettersThatAgreeWithTheReplyAreItsScores) {
  const LetterServer server("B", {-2.5, -0.5, -3});
  for (const BenchResult& result : ask(server.url(), "work").results) {
    EXPECT_THAT(result.scores, Each(ElementsAre(-2.5F, -0.5F, -3.0F)));
  }
}

TEST_F(ServerMethod, WhatTheReplySaysCountsWhereItsLettersPreferAnother) {
  for (const auto& [says, letters] : {std::pair("C", std::vector{-0.5, -2.5, -3.0}),
                                      std::pair("C", std::vector{-1.0, -1.0, -1.0}),
                                      std::pair("C", std::vector{-1.00002, -2.0, -1.00001})}) {
    const LetterServer server(says, letters);
    const BenchRun run = ask(server.url(), fmt::format("work{}", letters.front()));
    for (const BenchResult& result : run.results) {
      EXPECT_THAT(choices_of(result, false), Each(2));
      EXPECT_THAT(result.scores.front(),
                  AllOf(testing::Contains(static_cast<float>(rounded(letters[1]))),
                        testing::Contains(Gt(-1.01F))));
    }
  }
}

TEST_F(ServerMethod, AReplyWithoutAChoiceIsReadByItsLetters) {
  const LetterServer server("I cannot tell", {-2.5, -0.5, -3});
  for (const BenchResult& result : ask(server.url(), "work").results) {
    EXPECT_THAT(choices_of(result, false), Each(1));
    EXPECT_TRUE(result.unparsed.empty());
  }
}

}  // namespace
}  // namespace crayon
