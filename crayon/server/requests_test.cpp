#include "crayon/server/internal/requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "crayon/base/error.h"

namespace crayon::server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Property;
using testing::Throws;

// A chat and a completion with further fields.
std::string chat(const std::string& more = "") {
  return R"({"messages":[{"role":"user","content":"q"}])" + (more.empty() ? "" : "," + more) + "}";
}
std::string completion(const std::string& more = "") {
  return R"({"prompt":"p")" + (more.empty() ? "" : "," + more) + "}";
}

TEST(Requests, HaveTheDefaultsOfTheApi) {
  const auto request = parse_chat(chat());
  EXPECT_TRUE(request.chat);
  EXPECT_EQ(request.model, "");
  EXPECT_EQ(request.max_tokens, std::nullopt);
  EXPECT_EQ(request.temperature, 1);
  EXPECT_EQ(request.top_p, 1);
  EXPECT_EQ(request.seed, std::nullopt);
  EXPECT_FALSE(request.stream || request.include_usage || request.log_probs);
  EXPECT_THAT(request.stop, IsEmpty());
  EXPECT_THAT(request.guided_choice, IsEmpty());
  EXPECT_FALSE(parse_completion(completion()).chat);
  EXPECT_EQ(parse_completion(R"({"prompt":["p"]})").prompt, "p");
}

TEST(Requests, ReadEveryField) {
  const auto request = parse_chat(
      chat(R"("model":"m","max_completion_tokens":7,"temperature":0,"top_p":0.5,"seed":-1,)"
           R"("stop":["a","b"],"stream":true,"stream_options":{"include_usage":true},)"
           R"("logprobs":true,"top_logprobs":20,"guided_choice":["x","y"],)"
           R"("n":1,"user":"u","tools":[],"unknown":{},"response_format":{"type":"text"})"));
  EXPECT_EQ(request.model, "m");
  EXPECT_EQ(request.max_tokens, 7);
  EXPECT_EQ(request.temperature, 0);
  EXPECT_EQ(request.top_p, 0.5);
  EXPECT_EQ(request.seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_THAT(request.stop, ElementsAre("a", "b"));
  EXPECT_TRUE(request.stream && request.include_usage && request.log_probs);
  EXPECT_EQ(request.top_log_probs, 20);
  EXPECT_THAT(request.guided_choice, ElementsAre("x", "y"));
}

TEST(Requests, TakeNullForMissingAndOneStopAsAString) {
  const auto request = parse_completion(completion(
      R"("model":null,"max_tokens":null,"stop":null,"seed":null,"logprobs":null,"echo":null)"));
  EXPECT_FALSE(request.log_probs);
  EXPECT_THAT(parse_completion(completion(R"("stop":"x")")).stop, ElementsAre("x"));
  EXPECT_THAT(parse_completion(completion(R"("stop":[])")).stop, IsEmpty());
  EXPECT_TRUE(parse_completion(completion(R"("logprobs":0)")).log_probs);
}

TEST(Requests, ReadContentAsStringNullOrTextParts) {
  const auto request = parse_chat(
      R"({"messages":[{"role":"developer","content":"s"},{"role":"assistant","content":null},)"
      R"({"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]})");
  ASSERT_EQ(request.messages.size(), 3u);
  EXPECT_EQ(request.messages[0].role, "system");
  EXPECT_EQ(request.messages[1].content, "");
  EXPECT_EQ(request.messages[2].content, "ab");
}

// Each is refused with the field's name, what was found and what was expected.
TEST(Requests, RefuseWhatIsWrongAndSayWhere) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "not valid JSON"},
      {"{", "not valid JSON"},
      {"[]", "'body' is an array of 0; expected an object"},
      {"{}", "'messages' is null; expected an array of 1"},
      {R"({"messages":[]})", "'messages' is an array of 0"},
      {R"({"messages":[1]})", "'messages[0]' is 1; expected an object"},
      {R"({"messages":[{"role":"tool","content":""}]})",
       "'messages[0].role' is another; expected 'system'"},
      {R"({"messages":[{"content":""}]})", "'messages[0].role' is null"},
      {R"({"messages":[{"role":"user","content":1}]})", "'messages[0].content' is 1"},
      {R"({"messages":[{"role":"user","content":["x"]}]})",
       "'messages[0].content[0]' is of type string"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})",
       "'messages[0].content[0]'"},
      {chat(R"("model":1)"), "'model' is 1"},
      {chat(R"("max_tokens":0)"), "'max_tokens' is 0; expected a whole number from 1"},
      {chat(R"("max_tokens":1.5)"), "'max_tokens' is 1.5"},
      {chat(R"("max_tokens":"5")"), "'max_tokens' is of type string"},
      {chat(R"("seed":18446744073709551615)"), "'seed' is 18446744073709551615"},
      {chat(R"("temperature":2.1)"), "'temperature' is 2.1; expected a number from 0 to 2"},
      {chat(R"("temperature":-1)"), "'temperature' is -1"},
      {chat(R"("temperature":"hot")"), "'temperature' is of type string"},
      {chat(R"("top_p":0)"), "'top_p' is 0; expected more than 0"},
      {chat(R"("stop":1)"), "'stop' is 1"},
      {chat(R"("stop":["a",""])"), "'stop[1]' is empty"},
      {chat(
           R"("stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])"),
       "'stop' is an array of 17; expected an array of 1 to 16"},
      {chat(R"("stream":1)"), "'stream' is 1; expected true or false"},
      {chat(R"("stream_options":{})"), "'stream_options' is given; expected none without"},
      {chat(R"("stream":true,"stream_options":1)"), "'stream_options' is 1; expected an object"},
      {chat(R"("logprobs":2)"), "'logprobs' is 2; expected true or false"},
      {chat(R"("top_logprobs":2)"), "'top_logprobs' is given; expected none without"},
      {chat(R"("logprobs":true,"top_logprobs":21)"), "'top_logprobs' is 21"},
      {chat(R"("guided_choice":[])"), "'guided_choice' is an array of 0"},
      {chat(R"("guided_choice":["a",2])"), "'guided_choice[1]' is 2"},
      {chat(R"("n":2)"), "'n' is 2; expected 1 or none: this server does not support it"},
      {chat(R"("tools":[{}])"), "'tools' is an array of 1"},
      {chat(R"("logit_bias":{"5":1})"), "'logit_bias' is of type object"},
      {chat(R"("frequency_penalty":0.5)"), "'frequency_penalty' is 0.5"},
      {chat(R"("response_format":{"type":"json_object"})"), "'response_format'"},
  };
  for (const auto& [body, part] : cases) {
    EXPECT_THAT([&] { (void)parse_chat(body); },
                Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                    Property(&Error::what, HasSubstr(part)))))
        << body;
  }
}

TEST(Requests, RefuseWhatCompletionsDoNotDo) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{}", "'prompt' is null; expected one string"},
      {R"({"prompt":[1,2]})", "'prompt' is an array of 2"},
      {R"({"prompt":["a","b"]})", "'prompt' is an array of 2"},
      {completion(R"("echo":true)"), "'echo' is true; expected false or none"},
      {completion(R"("suffix":"x")"), "'suffix' is of type string"},
      {completion(R"("best_of":3)"), "'best_of' is 3"},
      {completion(R"("logprobs":true)"),
       "'logprobs' is true; expected a whole number from 0 to 20"},
  };
  for (const auto& [body, part] : cases) {
    EXPECT_THAT([&] { (void)parse_completion(body); },
                Throws<Error>(Property(&Error::what, HasSubstr(part))))
        << body;
  }
}

TEST(Requests, RefuseEndlessNestingWithoutOverflowingTheStack) {
  const std::string deep(1'000'000, '[');
  EXPECT_THROW((void)parse_chat(deep), Error);
  EXPECT_THROW((void)parse_chat(deep + std::string(deep.size(), ']')), Error);
}

TEST(Requests, NeverRepeatTheUsersTextInAMessage) {
  for (const std::string body :
       {R"({"messages":"private"})", R"({"messages":[{"role":"private"}]})", R"("private")",
        R"({"messages":[{"role":"user","content":{"private":1}}]})", "private"}) {
    EXPECT_THAT([&] { (void)parse_chat(body); },
                Throws<Error>(Property(&Error::what, Not(HasSubstr("private")))))
        << body;
  }
}

}  // namespace
}  // namespace crayon::server
