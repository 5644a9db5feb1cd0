// Targets of risk and price, calibration and the curve, as their users see them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "crayon/base/files.h"
#include "crayon/cli/internal/program_fixture_test.h"
#include "crayon/formats/task_file.h"
#include "crayon/testing/recording_server.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

/// A fresh task of 8 labelled examples and 40 other labelled questions for each test.
class RoutingProgram : public Program {
 protected:
  void SetUp() override {
    ASSERT_EQ(run(kCustomize + " -q -o t.gguf").status, 0);
    std::string lines;
    for (int k = 0; k < 40; ++k) {
      lines += fmt::format(
          "{{\"id\":\"q{0}\",\"question\":\"is stone {0} here\",\"choices\":[\"yes\",\"no\","
          "\"maybe\"],\"answer\":{1}}}\n",
          k, k % 3);
    }
    world_->write("fresh.jsonl", lines);
  }
  void TearDown() override {
    std::filesystem::remove_all(world_->path("home"));
    std::filesystem::create_directories(world_->path("home"));
  }
  std::string with_server(const std::string& args) const {
    return args + " --server-model big --server-url " + server_.url();
  }
  /// A call that is refused, and what it says.
  static void refused(const std::string& args, const std::string& says) {
    const ProgramRun done = run(args);
    EXPECT_EQ(done.status, 2) << args;
    EXPECT_THAT(done.notes, HasSubstr(says));
  }

  RecordingServer server_;  // says B: the second choice
  const std::string ask_ =
      "ask --task t.gguf --model model.gguf --choice yes --choice no --choice maybe 'is it'";
  const std::string calibrate_ = "calibrate -q --task t.gguf --model model.gguf --data fresh.jsonl";
  const std::string eval_ = "eval -q --task t.gguf --model model.gguf --data fresh.jsonl";
};

TEST_F(RoutingProgram, HowMuchOfAFreeAnswerIsLookedAtMayBeSaid) {
  const auto confidence = [](const std::string& flags) {
    return json("ask --task t.gguf --model model.gguf --max-tokens 30 'tell me' " +
                flags)["confidence"];
  };
  EXPECT_EQ(confidence(""), confidence("--hold-back 24"));
  EXPECT_EQ(confidence("--hold-back 0"), confidence("--hold-back 30")) << "all of it";
  EXPECT_NE(confidence("--hold-back 1"), confidence("--hold-back 0"));
  refused(ask_ + " --hold-back -1", "--hold-back");
  // Where calibrate looks at as much as ask does, both see the same signals.
  world_->write("text.jsonl", "{\"prompt\":\"tell me\",\"completion\":\"nothing\"}\n");
  const auto judged = [&](const std::string& flags) {
    EXPECT_EQ(
        run("calibrate -q --task t.gguf --model model.gguf --data text.jsonl -o u.gguf " + flags)
            .status,
        0);
    const TaskInfo info = *read_task(world_->path("u.gguf")).info;
    EXPECT_TRUE(info.judged.back().signals.free_text);
    return info.judged.back().signals.top;
  };
  EXPECT_NE(judged("--hold-back 1"), judged("--hold-back 0"));
}

TEST_F(RoutingProgram, CalibrateFitsReportsAndWritesTheTask) {
  const Json before = json("task show t.gguf");
  const std::string bytes = read_text(world_->path("t.gguf"));
  const Json dry = json(calibrate_ + " --dry-run");
  EXPECT_EQ(read_text(world_->path("t.gguf")), bytes);
  EXPECT_EQ(dry["file"], "");
  const Json done = json(calibrate_ + " --html page.html");
  EXPECT_EQ(done["labels"]["examples"], 8);
  EXPECT_EQ(done["labels"]["questions"], 40);
  EXPECT_EQ(done["ece"]["n"], 40);
  EXPECT_EQ(done["after"]["n"], 48);
  EXPECT_EQ(done["before"]["slope"], before["calibration"]["slope"]);
  EXPECT_EQ(done["risk_coverage"][0]["coverage"], 1.0);
  EXPECT_EQ(done["reliability"]["after"].size(), 10u);
  const Json after = json("task show t.gguf");
  EXPECT_EQ(after["calibration"]["n"], 48);
  EXPECT_EQ(after["weights"], before["weights"]);
  EXPECT_EQ(json(calibrate_ + " --dry-run")["after"], done["after"]) << "a second time is the same";
  EXPECT_THAT(read_text(world_->path("page.html")),
              AllOf(HasSubstr("<!DOCTYPE html>"), HasSubstr("Reliability"), HasSubstr("<polyline"),
                    Not(HasSubstr("src=")), Not(HasSubstr("http://localhost"))));
  EXPECT_THAT(run(calibrate_ + " --dry-run").out,
              AllOf(HasSubstr("ECE "), HasSubstr("reliability"), HasSubstr("least risk")));
  const Json blended = json("ask --task t.gguf --model model.gguf --choice a --choice b x");
  EXPECT_EQ(blended["side"], "device") << "the task still answers";
}

TEST_F(RoutingProgram, MarkedAnswersRecalibrateTheirTask) {
  refused("calibrate --task t.gguf", "no labelled question and no mark");
  for (int k = 0; k < 4; ++k) {
    const std::string id = json(ask_)["id"];
    ASSERT_EQ(run("feedback " + id + " wrong").status, 0);
  }
  const double before = json(ask_)["confidence"];
  const Json done = json("calibrate --task t.gguf");
  EXPECT_EQ(done["labels"]["marks"], 4);
  EXPECT_EQ(done["labels"]["questions"], 0);
  EXPECT_LT(json(ask_)["confidence"], before) << "four such answers were wrong";
  refused("calibrate --task t.gguf --no-feedback", "no labelled question and no mark");
}

TEST_F(RoutingProgram, AMarkFitsTheStoredTaskAtOnce) {
  ASSERT_EQ(run(kCustomize + " -q --name mine").status, 0);
  const std::string ask =
      "ask --task mine --model model.gguf --choice yes --choice no --choice maybe 'is it'";
  const std::string file = "home/tasks/mine.gguf";
  const double before = json(ask)["confidence"];
  Json done;
  for (int k = 1; k <= 4; ++k) {
    const std::string id = json(ask)["id"];
    done = json("feedback " + id + " wrong");
    EXPECT_EQ(done["calibrated"], true);
    EXPECT_EQ(done["task"], "mine");
    EXPECT_EQ(done["labels"]["marks"], k);
    EXPECT_EQ(done["labels"]["examples"], 8);
  }
  EXPECT_LT(json(ask)["confidence"], before) << "four such answers were wrong";
  EXPECT_EQ(json("calibrate --task mine --dry-run")["after"], done["after"])
      << "as calibrate would do";
  const std::string id = json(ask)["id"];
  const std::string bytes = read_text(world_->path(file));
  EXPECT_THAT(run("feedback --mark-only " + id + " wrong").out, HasSubstr("not calibrated"));
  EXPECT_EQ(read_text(world_->path(file)), bytes);
  EXPECT_THAT(run("feedback " + id + " wrong").out,
              AllOf(HasSubstr("task mine: slope"), HasSubstr("8 examples, 0 questions, 5 marks")));
  EXPECT_NE(read_text(world_->path(file)), bytes);
}

TEST_F(RoutingProgram, AMarkStandsWhereItsTaskCannotBeFitted) {
  world_->write("one.jsonl", "{\"question\":\"a\",\"choices\":[\"x\",\"y\"]}\n");
  ASSERT_EQ(
      run("customize -q --model model.gguf --pool pool --examples one.jsonl --name few").status, 0);
  const std::string ask = "ask --model model.gguf --choice yes --choice no q --task ";
  const auto marked = [](const std::string& id, const std::string& why) {
    const Json done = json("feedback " + id + " right");
    EXPECT_EQ(done["calibrated"], false);
    EXPECT_THAT(done["why_not"].get<std::string>(), HasSubstr(why));
    EXPECT_EQ(done["id"], id);
  };
  const std::string few = json(ask + "few")["id"];
  marked(few, "label more");
  marked(json(ask + "base")["id"], "base model");
  marked(json(ask + "t.gguf")["id"], "calibrate --task FILE");
  world_->write("home/tasks/few.gguf", "no GGUF any more");
  marked(few, "few.gguf");
  ASSERT_EQ(run("task delete few").status, 0);
  marked(few, "no task 'few'");
  EXPECT_EQ(json("stats")["device"]["accuracy"], 1.0) << "all of them are marked";
}

TEST_F(RoutingProgram, CalibrateRefusesWhatHasNoCalibrationAndFewLabels) {
  refused("calibrate --task base --data fresh.jsonl", "no task of crayon's");
  world_->write("examples1.jsonl", "{\"question\":\"a\",\"choices\":[\"x\",\"y\"]}\n");
  ASSERT_EQ(run("customize -q --model model.gguf --pool pool --examples examples1.jsonl -o u.gguf")
                .status,
            0);
  refused("calibrate -q --task u.gguf --model model.gguf --data fresh.jsonl --limit 3",
          "3 labels in all");
  refused("calibrate -q --task u.gguf --model model.gguf --data examples1.jsonl", "no answer");
}

TEST_F(RoutingProgram, ARiskIsPromisedFromTheQuestionsAndRefusedWhereTheyAreTooFew) {
  refused(with_server(ask_ + " --max-risk 0.05"),
          "8 labelled examples cannot promise a risk of 0.05; it takes 19");
  refused(ask_ + " --max-risk 0.2", "--max-risk is given, but no server");
  refused(with_server("ask --task base --model model.gguf --max-risk 0.2 hi"), "is no task");
  refused(with_server(ask_ + " --max-risk 0.2 --server-share 0.2"), "--server-share");
  refused(with_server(ask_ + " --max-risk 0.2 --side device"), "--side");
  const ProgramRun own = run(with_server(ask_ + " --max-risk 0.2 --json"));
  EXPECT_EQ(own.status, 0) << own.notes;
  EXPECT_THAT(own.notes, HasSubstr("approximate"));
  ASSERT_EQ(run(calibrate_).status, 0);
  const ProgramRun fresh = run(with_server(ask_ + " --max-risk 0.05 --json"));
  EXPECT_EQ(fresh.status, 0) << fresh.notes;
  EXPECT_THAT(fresh.notes, Not(HasSubstr("approximate")));
  const Json all = json(with_server(ask_ + " --max-risk 1"));
  EXPECT_EQ(all["side"], "device") << "whatever it gets wrong";
  // A threshold from these very questions: at most 40 * 41/40 * 0.2 - 1 of them are wrong here.
  const Json mix = json(with_server(eval_ + " --max-risk 0.2"))["mix"];
  EXPECT_LE(mix["risk"].get<double>(), 0.2);
  EXPECT_THAT(run(with_server(eval_ + " --max-risk 0.2")).out, HasSubstr(", risk 0."));
}

TEST_F(RoutingProgram, RegretNeedsTheServersLabels) {
  ASSERT_EQ(run(calibrate_).status, 0);
  refused(with_server(ask_ + " --max-regret 0.1"), "needs the server's answers");
  const Json done = json(with_server(calibrate_));
  EXPECT_EQ(server_.heard().size(), 40u);
  EXPECT_TRUE(done.contains("server"));
  EXPECT_EQ(run(with_server(ask_ + " --max-regret 0.1")).status, 0);
}

TEST_F(RoutingProgram, APriceAsksTheServerWhereItIsWorthIt) {
  EXPECT_EQ(json(with_server(ask_ + " --price 0 --value 1 --server-right 1"))["side"], "server");
  EXPECT_EQ(json(with_server(ask_ + " --price 0 --value 1 --server-right 1"))["reason"],
            "worth its price");
  EXPECT_EQ(json(with_server(ask_ + " --price 2 --value 1"))["reason"], "not worth its price");
  refused(with_server(ask_ + " --price 2"), "--value");
  refused(with_server(ask_ + " --price 1 --value 0"), "--value");
  refused(with_server(ask_ + " --price 1 --value 2 --max-risk 0.3"), "--max-risk");
  refused(ask_ + " --price 1 --value 2", "--price is given, but no server");
}

TEST_F(RoutingProgram, AShareHoldsOverRunsOfTheProgram) {
  int sent = 0;
  for (int k = 0; k < 24; ++k) {
    sent += json(with_server(ask_ + " --server-share 0.5"))["side"] == "server";
  }
  EXPECT_NEAR(sent, 12, 7) << "the same question each time: only the log knows whose turn it is";
}

TEST_F(RoutingProgram, EvalDrawsAccuracyAgainstServerShare) {
  refused(eval_ + " --curve c.svg", "no server to draw it for");
  refused(with_server(eval_ + " --curve c.png"), ".svg, .html or .json");
  for (const char* file : {"c.svg", "c.html", "c.json"}) {
    const ProgramRun done = run(with_server(eval_ + " --curve " + file));
    ASSERT_EQ(done.status, 0) << done.notes;
  }
  const Json curve = Json::parse(read_text(world_->path("c.json")));
  ASSERT_EQ(curve["points"].size(), 41u);
  const Json whole = json(with_server(eval_ + " --server-share 1"));
  EXPECT_DOUBLE_EQ(curve["points"][40]["accuracy"], whole["server"]["accuracy"]);
  EXPECT_DOUBLE_EQ(curve["points"][0]["accuracy"], whole["blended"]["accuracy"]);
  const Json half = json(with_server(eval_ + " --server-share 0.5"));
  EXPECT_DOUBLE_EQ(curve["points"][20]["accuracy"], half["mix"]["accuracy"]);
  EXPECT_THAT(read_text(world_->path("c.svg")),
              AllOf(HasSubstr("<svg"), HasSubstr("server alone")));
}

}  // namespace
}  // namespace crayon
