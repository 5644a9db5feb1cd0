// What stands between raw tokens and text: UTF-8, stop texts, log-probs; and what llama.cpp says
// and throws.
#include <ggml.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/random.h"
#include "crayon/engine/internal/llama_handles.h"
#include "crayon/engine/internal/llama_log.h"
#include "crayon/engine/internal/log_softmax.h"
#include "crayon/engine/internal/stream_text.h"

namespace crayon::internal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Property;
using ::testing::Throws;

const std::string kBad = "\xEF\xBF\xBD";

TEST(Utf8Joiner, KeepsBytesBackUntilTheCharacterIsWhole) {
  Utf8Joiner joiner;
  EXPECT_EQ(joiner.push("a\xE2"), "a");
  EXPECT_EQ(joiner.push("\x82"), "");
  EXPECT_EQ(joiner.push("\xAC!"), "\xE2\x82\xAC!");
}

TEST(Utf8Joiner, ReplacesWhatNoCharacterBeginsWith) {
  EXPECT_EQ(valid_utf8("a\xFFz"), "a" + kBad + "z");
  EXPECT_EQ(valid_utf8("\xC0\xAF"), kBad + kBad);                        // an overlong slash
  EXPECT_EQ(valid_utf8("\xED\xA0\x80"), kBad + kBad + kBad);             // a surrogate
  EXPECT_EQ(valid_utf8("\xF5\x80\x80\x80"), kBad + kBad + kBad + kBad);  // beyond U+10FFFF
  EXPECT_EQ(valid_utf8("\xF0\x9F\x98\x80 \xC3\xA9"), "\xF0\x9F\x98\x80 \xC3\xA9");
  EXPECT_EQ(valid_utf8("ok\xE2\x82"), "ok" + kBad + kBad);
}

GeneratedToken token(const std::string& text) {
  GeneratedToken t;
  t.text = text;
  return t;
}

std::vector<std::string> texts(const std::vector<GeneratedToken>& tokens) {
  std::vector<std::string> result;
  for (const auto& t : tokens) result.push_back(t.text);
  return result;
}

TEST(StopFilter, HoldsBackWhatMayBecomeAStopText) {
  StopFilter filter({"END", "\n\n"});
  EXPECT_THAT(texts(filter.push(token("one"))), ElementsAre("one"));
  EXPECT_THAT(texts(filter.push(token(" E"))), IsEmpty());
  EXPECT_THAT(texts(filter.push(token("N"))), IsEmpty());
  EXPECT_THAT(texts(filter.push(token("ough"))), ElementsAre(" E", "N", "ough"));
  EXPECT_FALSE(filter.stopped());
}

TEST(StopFilter, CutsTheTokenInWhichTheStopTextBegins) {
  StopFilter filter({"END"});
  EXPECT_THAT(texts(filter.push(token("two E"))), IsEmpty());
  EXPECT_THAT(texts(filter.push(token("ND more"))), ElementsAre("two "));
  EXPECT_TRUE(filter.stopped());
}

TEST(StopFilter, TakesTheFirstOfSeveralStopTexts) {
  StopFilter filter({"bc", "abcd", ""});
  EXPECT_THAT(texts(filter.push(token("xab"))), IsEmpty());
  EXPECT_THAT(texts(filter.push(token("cd"))), ElementsAre("x"));
  EXPECT_TRUE(filter.stopped());
}

TEST(StopFilter, GivesWhatIsHeldBackWhenTheTextEnds) {
  StopFilter filter({"END"});
  EXPECT_THAT(texts(filter.push(token("x EN"))), IsEmpty());
  EXPECT_THAT(texts(filter.finish()), ElementsAre("x EN"));
}

TEST(LogSumExp, EqualsTheSlowSumForVocabulariesOfAnySize) {
  Rng rng(3);
  for (const std::size_t n : {1u, 2u, 63u, 64u, 65u, 1000u, 49152u}) {
    for (const double scale : {0.01, 1.0, 30.0}) {
      std::vector<float> x(n);
      for (auto& value : x) value = static_cast<float>(scale * rng.normal() + 5);
      double sum = 0;
      for (const float value : x) sum += std::exp(static_cast<double>(value));
      EXPECT_NEAR(log_sum_exp(x), std::log(sum), 2e-6) << n << " " << scale;
    }
  }
  const std::vector<float> far = {0.0f, -200.0f, -1e30f};
  EXPECT_NEAR(log_sum_exp(far), 0, 1e-6);
}

TEST(LogSumExp, IsNotFiniteWhereANumberIsNot) {
  for (const std::size_t n : {1u, 3u, 64u, 200u}) {
    for (const float bad : {std::nanf(""), -std::nanf(""), INFINITY}) {
      for (std::size_t i = 0; i < n; ++i) {
        std::vector<float> x(n, 1.0f);
        x[i] = bad;
        ASSERT_FALSE(std::isfinite(log_sum_exp(x))) << bad << " at " << i << " of " << n;
      }
    }
    EXPECT_FALSE(std::isfinite(log_sum_exp(std::vector<float>(n, -INFINITY)))) << n;
  }
}

TEST(Guarded, TurnsWhatLlamaCppThrowsIntoAnErrorThatNamesTheFile) {
  EXPECT_EQ(guarded("m.gguf", [] { return 7; }), 7);
  EXPECT_THAT([] { guarded("m.gguf", [] { throw std::out_of_range("map::at"); }); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::CorruptFile),
                                  Property(&Error::what, HasSubstr("m.gguf: llama.cpp")),
                                  Property(&Error::what, HasSubstr("map::at")))));
  EXPECT_THAT([] { guarded("m.gguf", [] { throw Error(ErrorCode::NotFound, "x"); }); },
              Throws<Error>(Property(&Error::code, ErrorCode::NotFound)));
}

TEST(LlamaLogCapture, GivesErrorsInOrderWithoutFunctionNames) {
  LlamaLogCapture log;
  EXPECT_EQ(log.reason(), "no reason given");
  log.add(GGML_LOG_LEVEL_WARN, "load: odd vocabulary\n");
  EXPECT_EQ(log.reason(), "odd vocabulary");
  log.add(GGML_LOG_LEVEL_ERROR, "load_model: no tensor ");
  log.add(GGML_LOG_LEVEL_CONT, "'x'\n");
  log.add(GGML_LOG_LEVEL_INFO, "load: trying\n");
  log.add(GGML_LOG_LEVEL_ERROR, "failed to load\n");
  EXPECT_EQ(log.reason(), "no tensor 'x'; failed to load");
}

}  // namespace
}  // namespace crayon::internal
