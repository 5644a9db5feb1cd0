#include "crayon/remote/internal/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "crayon/base/error.h"

namespace crayon::wire {
namespace {

using Json = nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::Property;
using testing::Throws;

RemoteAnswer parse(const std::string& body) { return parse_answer(body, "http://h"); }

TEST(Wire, WritesAChatAndAPlainCompletion) {
  const std::vector<ChatMessage> messages = {{"system", "s"}, {"user", "\"q\"\n"}};
  const auto chat = Json::parse(request_body({"m", &messages, "", {10, 0.5, 3}, true}));
  EXPECT_EQ(chat, Json::parse(R"({"model":"m","max_tokens":10,"temperature":0.5,"stream":true,
      "stream_options":{"include_usage":true},"logprobs":true,"top_logprobs":3,
      "messages":[{"role":"system","content":"s"},{"role":"user","content":"\"q\"\n"}]})"));
  const auto plain = Json::parse(request_body({"m", nullptr, "p", {10, 0, 0}, false}));
  EXPECT_EQ(plain,
            Json::parse(
                R"({"model":"m","max_tokens":10,"temperature":0.0,"stream":false,"prompt":"p"})"));
}

TEST(Wire, ReadsChatLogProbs) {
  const auto answer = parse(R"({"model":"m","choices":[{"message":{"content":"Hi"},
      "finish_reason":"stop","logprobs":{"content":[{"token":"Hi","logprob":-0.5,
      "top_logprobs":[{"token":"Hi","logprob":-0.5},{"token":"Ho","logprob":-1}]}]}}],
      "usage":{"prompt_tokens":7,"completion_tokens":1}})");
  EXPECT_EQ(answer.text, "Hi");
  EXPECT_EQ(answer.model, "m");
  EXPECT_EQ(answer.finish_reason, "stop");
  EXPECT_EQ(answer.prompt_tokens, 7);
  EXPECT_EQ(answer.completion_tokens, 1);
  ASSERT_EQ(answer.tokens.size(), 1u);
  EXPECT_EQ(answer.tokens[0].log_prob, -0.5);
  EXPECT_THAT(answer.tokens[0].top, ElementsAre(Pair("Hi", -0.5), Pair("Ho", -1.0)));
}

TEST(Wire, ReadsLegacyLogProbsBestFirst) {
  const auto answer = parse(R"({"choices":[{"text":"ab","logprobs":{"tokens":["a","b"],
      "token_logprobs":[null,-2],"top_logprobs":[null,{"a":-3,"b":-2}]}}]})");
  ASSERT_EQ(answer.tokens.size(), 2u);
  EXPECT_EQ(answer.tokens[0].log_prob, 0);
  EXPECT_THAT(answer.tokens[0].top, IsEmpty());
  EXPECT_EQ(answer.tokens[1].text, "b");
  EXPECT_THAT(answer.tokens[1].top, ElementsAre(Pair("b", -2.0), Pair("a", -3.0)));
}

TEST(Wire, ALogProbThatIsMissingIsNotTakenForCertainty) {
  const auto chat = parse(R"({"choices":[{"message":{"content":"ab"},"logprobs":{"content":[
      {"token":"a","logprob":0.001,"top_logprobs":[{"token":"a","logprob":1e-9},
      {"token":"x","logprob":null},{"token":"y"},{"token":"z","logprob":-3}]},
      {"token":"b","logprob":null},{"token":"c","logprob":-1}]}}]})");
  ASSERT_EQ(chat.tokens.size(), 1u) << "the rest has no certain place";
  EXPECT_EQ(chat.tokens[0].log_prob, 0);
  EXPECT_THAT(chat.tokens[0].top, ElementsAre(Pair("a", 0.0), Pair("z", -3.0)));
  const auto plain = parse(R"({"choices":[{"text":"ab","logprobs":{"tokens":["a","b","c"],
      "token_logprobs":[-1,null,-2],"top_logprobs":[{"a":-1,"b":null},null,null]}}]})");
  ASSERT_EQ(plain.tokens.size(), 1u);
  EXPECT_THAT(plain.tokens[0].top, ElementsAre(Pair("a", -1.0)));
}

TEST(Wire, TakesNullContentAndNoUsage) {
  const auto answer = parse(R"({"choices":[{"message":{"content":null},"logprobs":null}]})");
  EXPECT_EQ(answer.text, "");
  EXPECT_EQ(answer.completion_tokens, 0);
}

TEST(Wire, NamesWhatIsNotTheApis) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "not a JSON object"},
      {"<html>", "not a JSON object"},
      {"[]", "not a JSON object"},
      {"{}", "'choices' is of type null"},
      {R"({"choices":{}})", "'choices' is of type object"},
      {R"({"choices":[]})", "'choices' is empty"},
      {R"({"choices":[1]})", "'choices' has no object"},
      {R"({"choices":[{}]})", "neither 'message' nor 'text'"},
      {R"({"choices":[{"text":1}]})", "'text' is of type number"},
      {R"({"choices":[{"message":{"content":[]}}]})", "'content' is of type array"},
      {R"({"choices":[{"text":"","logprobs":{"tokens":["a"],"token_logprobs":[]}}]})",
       "1 tokens and 0"},
      {R"({"choices":[{"text":"","logprobs":{"tokens":[1],"token_logprobs":[1]}}]})",
       "not a string"},
      {R"({"choices":[{"text":"","logprobs":{"content":[{"token":"a","logprob":"x"}]}}]})",
       "of type string"},
      {R"({"choices":[{"text":"","logprobs":{"content":[7]}}]})", ""},
  };
  for (const auto& [body, part] : cases) {
    if (part.empty()) {
      EXPECT_NO_THROW(parse(body)) << body;
      continue;
    }
    EXPECT_THAT([&] { parse(body); },
                Throws<Error>(AllOf(Property(&Error::code, ErrorCode::CorruptFile),
                                    Property(&Error::what, HasSubstr("http://h: ")),
                                    Property(&Error::what, HasSubstr(part)))))
        << body;
  }
}

TEST(Wire, FindsTheErrorMessageOfManyServersOnOneLine) {
  EXPECT_EQ(error_message(R"({"error":{"message":"a\nb"}})"), "a b");
  EXPECT_EQ(error_message(R"({"error":"c"})"), "c");
  EXPECT_EQ(error_message(R"({"message":"d"})"), "d");
  EXPECT_EQ(error_message(R"({"detail":"e"})"), "e");
  EXPECT_EQ(error_message(R"({"detail":[{"type":"extra_forbidden","loc":["body","logprobs",0],
      "msg":"Extra inputs are not permitted","input":true}]})"),
            "body.logprobs.0: Extra inputs are not permitted");
  for (const auto* none : {"", "<html>", "{}", "[]", R"({"error":{"message":1}})",
                           R"({"detail":[]})", R"({"detail":[1]})", R"({"detail":[{"msg":1}]})"}) {
    EXPECT_EQ(error_message(none), "") << none;
  }
  EXPECT_EQ(error_message(R"({"error":")" + std::string(299, 'x') + R"(é"})"),
            std::string(299, 'x'))
      << "a cut must not split a character";
}

TEST(Wire, AnErrorsPlaceThatIsNestedWithoutEndIsPassedOver) {
  constexpr std::size_t kDeep = 2'000'000;  // within an answer's bytes
  const std::string body = R"({"detail":[{"loc":["body",)" + std::string(kDeep, '[') +
                           std::string(kDeep, ']') + R"(,{"a":1}],"msg":"no"}]})";
  EXPECT_EQ(error_message(body), "body: no");
}

TEST(Wire, QuotesNoErrorMessageThatRepeatsWhatWasSent) {
  const std::string text = "When did the \"old\" lighthouse\nkeeper leave?";
  const auto said = [&](const std::string& message) {
    return error_message(Json{{"error", {{"message", message}, {"type", "bad_request"}}}}.dump(),
                         {"Be brief and answer in one word.", text});
  };
  EXPECT_EQ(said("the context has 2048 tokens"), "the context has 2048 tokens");
  EXPECT_EQ(said("input was: " + text), "bad_request");
  EXPECT_EQ(said("input was: " + Json(text).dump()), "bad_request");
  EXPECT_EQ(said("... 'WHEN did the \"old\" lighthouse' ..."), "bad_request");
  EXPECT_EQ(said("system: be brief and answer in one w..."), "bad_request");
  EXPECT_EQ(said("input: \\u0077\\u0068"), "bad_request");
  EXPECT_EQ(error_message(R"({"error":"what is 'Rome?'"})", {"Rome?"}), "");
  EXPECT_EQ(
      error_message(R"({"detail":[{"type":"string_type","loc":["Rome"],"msg":"m"}]})", {"Rome?"}),
      "string_type");
  EXPECT_EQ(error_message(R"({"error":{"message":"Rome","type":"of Rome","code":"c"}})", {"Rome"}),
            "c");
}

TEST(StreamReader, PutsPiecesTogetherAndTakesUsageFromAChunkWithoutChoices) {
  StreamReader reader("http://h");
  EXPECT_EQ(reader.take(R"({"model":"m","choices":[{"delta":{"role":"assistant"}}]})"), "");
  EXPECT_EQ(reader.take(R"({"choices":[{"delta":{"content":"a"},"finish_reason":null}]})"), "a");
  EXPECT_EQ(reader.take(R"({"choices":[{"delta":{"content":"b"},"finish_reason":"length"}]})"),
            "b");
  EXPECT_EQ(reader.take(R"({"choices":[{"delta":{}}]})"), "");
  EXPECT_EQ(reader.take(R"({"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}})"), "");
  EXPECT_FALSE(reader.done());
  reader.take("[DONE]");
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(reader.answer().text, "ab");
  EXPECT_EQ(reader.answer().finish_reason, "length");
  EXPECT_EQ(reader.answer().prompt_tokens, 3);
}

TEST(StreamReader, UsageIsReportedOnceBothNumbersAreThere) {
  StreamReader reader("http://h");
  // Some servers tell the prompt's number with the first piece, and the answer's with the last.
  (void)reader.take(
      R"({"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":0}})");
  (void)reader.take(R"({"choices":[{"delta":{"content":"b"}}]})");
  EXPECT_FALSE(reader.answer().usage_reported);
  EXPECT_EQ(reader.answer().prompt_tokens, 9);
  EXPECT_EQ(reader.answer().completion_tokens, 2) << "the pieces that came";
  (void)reader.take(R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}})");
  EXPECT_TRUE(reader.answer().usage_reported);
  EXPECT_EQ(reader.answer().completion_tokens, 4);
}

TEST(StreamReader, APieceOfManyTokensIsCountedByItsBytesAndThoughtsAreCountedToo) {
  StreamReader reader("http://h");
  (void)reader.take(
      R"({"choices":[{"delta":{"reasoning_content":"thirty bytes of thinking aloud"}}]})");
  EXPECT_EQ(reader.answer().completion_tokens, 10);
  EXPECT_EQ(reader.answer().text, "");
  (void)reader.take(R"({"choices":[{"delta":{"content":"and six words more in one"}}]})");
  EXPECT_EQ(reader.answer().completion_tokens, 18);
  EXPECT_EQ(reader.answer().text, "and six words more in one");
}

}  // namespace
}  // namespace crayon::wire
