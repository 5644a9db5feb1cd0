// Answers under a policy and a budget: who speaks, why, and what is logged of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crayon/session/answer.h"
#include "crayon/session/internal/test_world.h"
#include "crayon/store/store.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/odd_checks.h"
#include "crayon/testing/random.h"
#include "crayon/testing/recording_server.h"

namespace crayon {
namespace {

using testing::HasSubstr;
using testing::Property;
using testing::StartsWith;
using testing::Throws;

class Guarded : public testing::Test {
 protected:
  Answerer answerer(const DoorOptions& door, RouteMode mode = RouteMode::Always) {
    AnswererOptions options;
    options.router.mode = mode;
    options.door = door;
    options.on_decision = [this](const DecisionRecord& record) { log_.push_back(record); };
    return {*model_, *engine_, open_task("base"), &remote_, options};
  }

  TemporaryFolder folder_;
  std::shared_ptr<Model> model_ = make_fake_model({.d_model = kWidth});
  std::unique_ptr<Engine> engine_ = model_->open_engine({});
  RecordingServer server_;
  Remote remote_{{.url = server_.url(), .model = "big", .price = {1, 1}}};
  std::unique_ptr<TextCheck> check_ = make_text_check({});
  std::vector<DecisionRecord> log_;
};

TEST_F(Guarded, APrivateQuestionIsAnsweredHereAndSaysWhy) {
  Answerer answerer = this->answerer({.check = check_.get()});
  const Answer choice = answerer.answer(make_question("is jane@doe.example right *yes"));
  const Answer text = answerer.answer(make_free_question("mail jane@doe.example *now please"));
  EXPECT_EQ(choice.side, Side::Device);
  EXPECT_EQ(choice.text, "yes");
  EXPECT_EQ(choice.reason, "private: e-mail");
  EXPECT_EQ(text.reason, "private: e-mail");
  EXPECT_THAT(text.text, HasSubstr("now please"));
  EXPECT_TRUE(server_.heard().empty());
  EXPECT_EQ(answerer.answer(make_question("is it *yes")).side, Side::Server);
}

TEST_F(Guarded, ABlockedQuestionIsAnsweredByNobodyWhateverTheMode) {
  PolicyOptions policy;
  policy.patterns = {{Rule::Block, "aurora"}};
  const auto check = make_text_check(policy);
  for (const RouteMode mode : {RouteMode::Always, RouteMode::Never}) {
    EXPECT_THAT(
        [&] { (void)answerer({.check = check.get()}, mode).answer(make_question("aurora")); },
        Throws<Error>(Property(&Error::what, HasSubstr("private: pattern 1"))));
  }
  EXPECT_TRUE(server_.heard().empty());
  EXPECT_TRUE(log_.empty());
}

TEST_F(Guarded, ARequestMarkedLocalIsSaidAtOnceAndStays) {
  Answerer answerer = this->answerer({}, RouteMode::ServerShare);
  std::vector<std::string> pieces;
  const OnText listen = [&](std::string_view piece) {
    pieces.emplace_back(piece);
    return true;
  };
  const Answer text = answerer.answer(make_free_question("say *a b"), listen, {.local_only = true});
  EXPECT_EQ(text.reason, "local only");
  EXPECT_GT(pieces.size(), 1u) << "nothing is held back where the server may not speak";
  EXPECT_TRUE(server_.heard().empty());
}

TEST_F(Guarded, WhatStaysDoesNotCountForTheServersShare) {
  AnswererOptions options;
  options.router = {.mode = RouteMode::ServerShare, .server_share = 0.5};
  options.door.check = check_.get();
  Answerer answerer(*model_, *engine_, open_task("base"), &remote_, options);
  int sent = 0;
  for (int k = 0; k < 60; ++k) {
    const bool is_private = k % 3 == 0;
    const std::string text = std::to_string(k) + (is_private ? " jane@doe.example" : " is it");
    sent += answerer.answer(make_question(text)).side == Side::Server;
  }
  EXPECT_NEAR(sent, 20, 5) << "half of the 40 that may leave";
}

TEST_F(Guarded, ASpentBudgetLeavesTheAnswerToTheDevice) {
  Store store(folder_.path() / "s.db");
  StoreBudget budget(store, {.daily = {.calls = 2}});
  Answerer answerer = this->answerer({.budget = &budget});
  EXPECT_EQ(answerer.answer(make_question("a")).side, Side::Server);
  EXPECT_EQ(answerer.answer(make_free_question("b")).side, Side::Server);
  const Answer third = answerer.answer(make_question("c *yes"));
  EXPECT_EQ(third.side, Side::Device);
  EXPECT_EQ(third.text, "yes");
  EXPECT_EQ(third.reason, "budget spent: daily calls (2 of 2)");
  EXPECT_TRUE(third.server_error.empty());
  EXPECT_EQ(server_.heard().size(), 2u);
  EXPECT_EQ(store.spending().today.tokens, 12);
}

TEST_F(Guarded, EachDecisionIsLoggedOnceWithoutText) {
  const DoorOptions door{.check = check_.get(), .price = {.prompt = 1, .completion = 1}};
  Answerer answerer = this->answerer(door);
  const Answer server = answerer.answer(make_question("river *yes"));
  const Answer device = answerer.answer(make_free_question("river jane@doe.example *x"));
  ASSERT_EQ(log_.size(), 2u);
  EXPECT_EQ(log_[0].id, server.id);
  EXPECT_TRUE(log_[0].server);
  EXPECT_TRUE(log_[0].choices);
  EXPECT_EQ(log_[0].reason, "always");
  EXPECT_EQ(log_[0].money, 6000);
  EXPECT_EQ(log_[0].saved, 0);
  EXPECT_GT(log_[0].margin, 0);
  EXPECT_EQ(log_[1].id, device.id);
  EXPECT_FALSE(log_[1].choices);
  EXPECT_EQ(log_[1].reason, "private: e-mail");
  EXPECT_GT(log_[1].saved, 0);
  for (const DecisionRecord& record : log_) EXPECT_EQ(record.task, "base");
}

TEST_F(Guarded, WhatAServerSaidIsNotLogged) {
  Answer answer;
  answer.id = new_decision_id();
  answer.reason = "server failed: http://h: the server refuses, it says: 'my secret question'";
  EXPECT_EQ(decision_record(answer, "t", {}).reason, "server failed");
  answer.reason = "my secret question";
  EXPECT_EQ(decision_record(answer, "t", {}).reason, "other");
}

TEST_F(Guarded, ALogThatCannotBeWrittenCostsNoAnswer) {
  const std::vector<std::function<void()>> throws = {
      [] { throw Error(ErrorCode::Unavailable, "disk full"); },
      [] { throw std::runtime_error("odd"); },
      [] { throw 7; },
  };
  for (const auto& fail : throws) {
    AnswererOptions options;
    options.on_decision = [&](const DecisionRecord&) { fail(); };
    Answerer answerer(*model_, *engine_, open_task("base"), nullptr, options);
    EXPECT_EQ(answerer.answer(make_question("is it *yes")).text, "yes");
  }
}

}  // namespace
}  // namespace crayon
