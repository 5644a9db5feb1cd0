// Our client asks our server, over the fake model: what one writes the other reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "crayon/base/error.h"
#include "crayon/remote/remote.h"
#include "crayon/server/serve.h"
#include "crayon/testing/fake_engine.h"

namespace crayon {
namespace {

using testing::ElementsAre;
using testing::Property;
using testing::SizeIs;
using testing::Throws;

class RoundTripTest : public testing::Test {
 protected:
  RoundTripTest()
      : server(make_fake_model(), {.port = 0, .key = "k", .model_name = "crayon:fake"}) {
    server.start();
  }
  Remote remote(const std::string& key = "k") {
    return Remote({.url = server.url(), .model = "", .key = key});
  }
  // Both kinds of question, whole and streamed, must give one and the same answer.
  static void expect_same(const RemoteAnswer& whole, const RemoteAnswer& streamed) {
    EXPECT_EQ(whole.text, streamed.text);
    EXPECT_EQ(whole.finish_reason, streamed.finish_reason);
    EXPECT_EQ(whole.model, streamed.model);
    EXPECT_EQ(whole.prompt_tokens, streamed.prompt_tokens);
    EXPECT_EQ(whole.completion_tokens, streamed.completion_tokens);
    ASSERT_EQ(whole.tokens.size(), streamed.tokens.size());
    for (std::size_t i = 0; i < whole.tokens.size(); ++i) {
      EXPECT_EQ(whole.tokens[i].text, streamed.tokens[i].text);
      EXPECT_EQ(whole.tokens[i].log_prob, streamed.tokens[i].log_prob);
      EXPECT_EQ(whole.tokens[i].top, streamed.tokens[i].top);
    }
  }

  ApiServer server;
  ChatOptions options{.max_tokens = 40, .temperature = 0, .top_log_probs = 3};
};

TEST_F(RoundTripTest, AChatGivesTheSameWholeAndStreamed) {
  const std::vector<ChatMessage> messages = {{"system", "be short"}, {"user", "say *blue sky"}};
  std::string pieces;
  const auto whole = remote().chat(messages, options);
  const auto streamed = remote().chat(messages, options, [&](std::string_view piece) {
    pieces.append(piece);
    return true;
  });
  EXPECT_NE(whole.text.find("blue sky"), std::string::npos);
  EXPECT_EQ(pieces, whole.text);
  EXPECT_EQ(whole.model, "crayon:fake");
  EXPECT_GT(whole.prompt_tokens, 0);
  EXPECT_EQ(whole.tokens.size(), static_cast<std::size_t>(whole.completion_tokens));
  expect_same(whole, streamed);
}

TEST_F(RoundTripTest, ACompletionGivesTheSameWholeAndStreamedWithItsLogProbs) {
  const auto whole = remote().complete("say *red green blue", options);
  const auto streamed =
      remote().complete("say *red green blue", options, [](std::string_view) { return true; });
  expect_same(whole, streamed);
  ASSERT_THAT(whole.tokens, testing::Not(SizeIs(0)));
  for (const auto& token : whole.tokens) {
    EXPECT_LE(token.log_prob, 0);
    EXPECT_FALSE(token.top.empty());
  }
}

TEST_F(RoundTripTest, AnAnswerIsCutAtItsTokens) {
  options.max_tokens = 1;
  const auto cut = remote().complete("say *red green blue", options);
  EXPECT_EQ(cut.finish_reason, "length");
  EXPECT_EQ(cut.completion_tokens, 1);
}

TEST_F(RoundTripTest, TheFirstModelIsTheOneServedAndTheKeyIsAsked) {
  EXPECT_THAT(remote().models(), ElementsAre("crayon:fake"));
  EXPECT_THAT([&] { (void)remote("wrong").models(); },
              Throws<Error>(Property(&Error::code, ErrorCode::Unavailable)));
}

TEST_F(RoundTripTest, ManyClientsAtOnceGetTheirOwnAnswers) {
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int i = 0; i < 12; ++i) {
    clients.emplace_back([&, i] {
      const auto word = "word" + std::to_string(i);
      const bool stream = i % 2 == 0;
      const OnText on_text = stream ? OnText([](std::string_view) { return true; }) : OnText();
      const auto answer = remote().complete("say *" + word, options, on_text);
      good += answer.text.find(word) != std::string::npos ? 1 : 0;
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(good, 12);
}

}  // namespace
}  // namespace crayon
