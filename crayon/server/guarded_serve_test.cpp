// What the server keeps of its answers, and what it does not answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "crayon/http/client.h"
#include "crayon/server/internal/scripted_model_for_tests.h"
#include "crayon/server/serve.h"

namespace crayon {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

const std::string kChat = R"({"messages":[{"role":"user","content":")";
const std::string kEnd = R"("}]})";

class GuardedServer : public testing::Test {
 protected:
  void SetUp() override {
    PolicyOptions policy;
    policy.patterns = {{Rule::Block, "aurora"}};
    check_ = make_text_check(policy);
    ServeOptions options;
    options.port = 0;
    options.model_name = "crayon:test";
    options.books.door.check = check_.get();
    options.books.task.name = "test";
    options.books.on_decision = [this](const DecisionRecord& record) {
      const std::lock_guard lock(mutex_);
      log_.push_back(record);
    };
    server_ = std::make_unique<ApiServer>(std::make_shared<ScriptedModel>(script_), options);
    server_->start();
  }
  HttpResponse post(const std::string& body,
                    const std::map<std::string, std::string>& headers = {}) {
    return HttpClient(server_->url())
        .send({.method = "POST", .path = "/v1/chat/completions", .headers = headers, .body = body});
  }
  std::vector<DecisionRecord> log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }

  std::shared_ptr<Script> script_ = std::make_shared<Script>();
  std::unique_ptr<TextCheck> check_;
  std::mutex mutex_;
  std::vector<DecisionRecord> log_;  // guarded by mutex_
  std::unique_ptr<ApiServer> server_;
};

TEST_F(GuardedServer, EveryAnswerSaysItsIdSideAndReasonAndIsLogged) {
  const HttpResponse whole = post(kChat + "hi" + kEnd);
  EXPECT_THAT(whole.headers.at("x-crayon-id"), MatchesRegex("[0-9a-f]{16}"));
  EXPECT_EQ(whole.headers.at("x-crayon-side"), "device");
  EXPECT_EQ(whole.headers.at("x-crayon-reason"), "no server");
  const HttpResponse stream =
      post(R"({"stream":true,"messages":[{"role":"user","content":"hi"}]})");
  const HttpResponse choice =
      post(R"({"guided_choice":["yes","no"],"messages":[{"role":"user","content":"hi"}]})");
  const auto kept = log();
  ASSERT_EQ(kept.size(), 3u);
  EXPECT_EQ(kept[0].id, whole.headers.at("x-crayon-id"));
  EXPECT_EQ(kept[1].id, stream.headers.at("x-crayon-id"));
  EXPECT_EQ(kept[2].id, choice.headers.at("x-crayon-id"));
  EXPECT_EQ(kept[0].task, "test");
  EXPECT_EQ(kept[0].completion_tokens, 3);
  EXPECT_EQ(kept[1].completion_tokens, 3);
  EXPECT_EQ(kept[0].margin, kept[1].margin);
  EXPECT_GT(kept[0].margin, 0);
  EXPECT_FALSE(kept[0].choices);
  EXPECT_TRUE(kept[2].choices);
}

TEST_F(GuardedServer, SaysThatARequestIsLocalOrPrivate) {
  const auto reason = [&](const std::string& text, const std::string& mark) {
    std::map<std::string, std::string> headers;
    if (!mark.empty()) headers["x-crayon-local"] = mark;
    return post(kChat + text + kEnd, headers).headers.at("x-crayon-reason");
  };
  EXPECT_EQ(reason("hi", "1"), "local only");
  EXPECT_EQ(reason("hi", "true"), "local only");
  EXPECT_EQ(reason("hi", "0"), "no server");
  EXPECT_EQ(reason("mail jane@doe.example", ""), "private: e-mail");
  EXPECT_EQ(reason("Write a title for this conversation", ""), "background prompt");
}

TEST_F(GuardedServer, WhatThePolicyBlocksIsAnswered400AndNotLogged) {
  const HttpResponse response = post(kChat + "what of aurora" + kEnd);
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body, HasSubstr("the policy blocks this request (private: pattern 1)"));
  EXPECT_TRUE(script_->calls.empty());
  EXPECT_TRUE(log().empty());
}

}  // namespace
}  // namespace crayon
