// Policy, budget, log, stats and feedback as their users see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "crayon/base/files.h"
#include "crayon/cli/internal/program_fixture_test.h"
#include "crayon/testing/recording_server.h"

namespace crayon {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using Json = nlohmann::json;

/// A store of its own for each test, and a server that is always asked.
class PolicyProgram : public Program {
 protected:
  void TearDown() override {
    std::filesystem::remove_all(world_->path("home"));
    std::filesystem::create_directories(world_->path("home"));
    std::filesystem::remove(world_->path("crayon.toml"));
  }
  Json ask(const std::string& question, const std::string& flags = {},
           const std::string& settings = {}) {
    return json(ask_line(question, flags), {}, settings);
  }
  std::string ask_line(const std::string& question, const std::string& flags = {}) const {
    return "ask --task base --model model.gguf --server-url " + server_.url() +
           " --server-model big --side server --choice yes --choice no " + flags + " '" + question +
           "'";
  }

  RecordingServer server_;
};

TEST_F(PolicyProgram, PrivateQuestionsStayUnlessThePolicySaysOtherwise) {
  EXPECT_EQ(ask("mail jane@doe.example")["reason"], "private: e-mail");
  EXPECT_TRUE(server_.heard().empty());
  EXPECT_EQ(ask("mail jane@doe.example", "--policy-email redact")["side"], "server");
  ASSERT_EQ(server_.heard().size(), 1u);
  EXPECT_THAT(server_.heard()[0], HasSubstr("mail [EMAIL_1]"));
  EXPECT_EQ(ask("mail jane@doe.example", "--policy-email send")["side"], "server");
  EXPECT_THAT(server_.heard()[1], HasSubstr("jane@doe.example"));
  const ProgramRun blocked = run(ask_line("what of aurora", "--policy-pattern block:aurora"));
  EXPECT_EQ(blocked.status, 2);
  EXPECT_THAT(blocked.notes, HasSubstr("the policy blocks this request (private: pattern 1)"));
}

TEST_F(PolicyProgram, TablesOfTheSettingsFileStandForTheFlags) {
  world_->write("crayon.toml", R"([policy]
email = "send"
pattern = ["local:(?i)project aurora", 'local:EMP-\d{4}']
[budget]
daily-calls = 1
)");
  EXPECT_EQ(ask("Project AURORA")["reason"], "private: pattern 1");
  EXPECT_EQ(ask("sack EMP-1234")["reason"], "private: pattern 2");
  EXPECT_EQ(ask("mail jane@doe.example")["side"], "server");
  EXPECT_EQ(ask("more")["reason"], "budget spent: daily calls (1 of 1)");
  EXPECT_EQ(ask("more", "--budget-daily-calls 2")["side"], "server");
  EXPECT_EQ(ask("mail jane@doe.example", {}, "CRAYON_POLICY_EMAIL=local")["reason"],
            "private: e-mail");
  world_->write("crayon.toml", "[policy]\nemial = 'send'\n");
  const ProgramRun wrong = run(ask_line("x"));
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.notes, HasSubstr("crayon.toml:2: unknown key 'emial'; did you mean email"));
}

TEST_F(PolicyProgram, RefusesRulesPatternsAndBudgetsThatCannotHold) {
  const auto refused = [&](const std::string& flags, const std::string& says) {
    const ProgramRun done = run(ask_line("x", flags));
    EXPECT_EQ(done.status, 2) << flags;
    EXPECT_THAT(done.notes, HasSubstr(says));
  };
  refused("--policy-email loca", "loca");
  refused("--policy-pattern 'local:a('", "pattern 1 'a('");
  refused("--policy-pattern 'aurora'", "no rule before it");
  refused("--policy-model small", "the policy allows only small");
  refused("--budget-daily-money 1", "no price for http");
  refused("--budget-monthly-calls -1", "budget-monthly-calls");
  EXPECT_TRUE(server_.heard().empty());
}

TEST_F(PolicyProgram, ABudgetOfMoneyHoldsOverRestarts) {
  const std::string flags = "--server-price 1000 --budget-monthly-money 0.07";
  const Json first = ask("one", flags);
  EXPECT_EQ(first["side"], "server");
  EXPECT_DOUBLE_EQ(first["money"], 0.006);
  int sent = 1;
  while (sent < 20 && ask("more", flags)["side"] == "server") ++sent;
  EXPECT_LT(sent, 12);
  const Json stats = json("stats");
  EXPECT_EQ(stats["budget"]["month"]["calls"], sent);
  EXPECT_LE(stats["budget"]["month"]["money"], 0.07);
  EXPECT_EQ(stats["budget"]["unsettled_calls"], 0);
  EXPECT_DOUBLE_EQ(stats["money"]["spent"], 0.006 * sent);
  EXPECT_GT(stats["money"]["saved"], 0);
}

TEST_F(PolicyProgram, AStoreThatCannotBeOpenedKeepsEverythingHereWhereABudgetIsSet) {
  world_->write("home/crayon.db", std::string(4096, 'x'));
  EXPECT_EQ(ask("one", "--budget-daily-calls 5")["reason"], "budget check failed");
  EXPECT_TRUE(server_.heard().empty());
  const ProgramRun without = run(ask_line("one", "--json"));
  EXPECT_EQ(Json::parse(without.out)["side"], "server");
  EXPECT_THAT(without.notes, HasSubstr("no decision is logged"));
  EXPECT_EQ(run("stats").status, 5);
}

TEST_F(PolicyProgram, StatsAndFeedbackKnowEachAnswerByItsId) {
  const std::string server = ask("one")["id"];
  const std::string device = ask("mail jane@doe.example")["id"];
  EXPECT_THAT(server, MatchesRegex("[0-9a-f]{16}"));
  const Json mark = json("feedback " + server + " right");
  EXPECT_EQ(mark["id"], server);
  EXPECT_EQ(mark["mark"], "right");
  EXPECT_EQ(mark["calibrated"], false) << "it says nothing of the device";
  EXPECT_THAT(run("feedback " + device.substr(0, 8) + " wrong").out, HasSubstr(device));
  const Json stats = json("stats --since 1d");
  EXPECT_EQ(stats["answers"], 2);
  EXPECT_EQ(stats["server_share"], 0.5);
  EXPECT_EQ(stats["server"]["accuracy"], 1.0);
  EXPECT_EQ(stats["device"]["accuracy"], 0.0);
  EXPECT_EQ(stats["reasons"], Json({{"always", 1}, {"private: e-mail", 1}}));
  EXPECT_THAT(run("stats").out, HasSubstr("server share 0.500"));
  EXPECT_EQ(json("stats --since 2199-01-01")["answers"], 0);
  EXPECT_EQ(json("stats --task other")["answers"], 0);
  EXPECT_EQ(run("feedback 0123456789abcdef right").status, 3);
  EXPECT_EQ(run("feedback " + device + " maybe").status, 2);
  for (const auto* since : {"yesterday", "2999-01-01", "12x", "-3d", "9999999w"}) {
    EXPECT_EQ(run(std::string("stats --since=") + since).status, 2) << since;
  }
}

TEST_F(PolicyProgram, LinesKeepTheirQuestionsIdBesideTheAnswersOwn) {
  const Json line = Json::parse(run("ask --task base --model model.gguf -",
                                    R"({"id":"q7","question":"x","choices":["a","b"]})")
                                    .out);
  EXPECT_EQ(line["id"], "q7");
  EXPECT_THAT(line["answer_id"].get<std::string>(), MatchesRegex("[0-9a-f]{16}"));
  EXPECT_EQ(json("stats")["answers"], 1);
}

TEST_F(PolicyProgram, TheStoreHoldsNoTextOfTheUserAndNoLogMeansNone) {
  (void)ask("xylophone of jane@doe.example");
  (void)ask("xylophone");
  std::string bytes;
  for (const auto* end : {"", "-wal"}) {
    const auto file = world_->path(std::string("home/crayon.db") + end);
    if (std::filesystem::exists(file)) bytes += read_text(file);
  }
  EXPECT_THAT(bytes, HasSubstr("decision"));
  EXPECT_THAT(bytes, Not(HasSubstr("xylophone")));
  EXPECT_THAT(bytes, Not(HasSubstr("jane")));
  std::filesystem::remove_all(world_->path("home"));
  (void)ask("xylophone", "--no-log");
  EXPECT_FALSE(std::filesystem::exists(world_->path("home/crayon.db")));
}

TEST_F(PolicyProgram, EvalAsksTheServerOnlyWhatMayLeave) {
  world_->write("private.jsonl",
                R"({"id":"a","question":"mail jane@doe.example","choices":["yes","no"],"answer":0})"
                "\n"
                R"({"id":"b","question":"is it","choices":["yes","no"],"answer":0})"
                "\n");
  const std::string eval =
      "eval -q --task base --model model.gguf --data private.jsonl "
      "--server-model big --server-url " +
      server_.url();
  const Json done = json(eval);
  EXPECT_EQ(done["n"], 2);
  EXPECT_EQ(done["server"]["n"], 1);
  EXPECT_EQ(done["kept_questions"], 1);
  for (const std::string& heard : server_.heard()) EXPECT_THAT(heard, Not(HasSubstr("jane")));
  const ProgramRun none = run(eval + " --policy-pattern 'local:is it'");
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.notes, HasSubstr("keeps all of the 2 questions"));
}

}  // namespace
}  // namespace crayon
