#include "crayon/router/redact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crayon/base/error.h"

namespace crayon {
namespace {

using testing::ElementsAre;

Redaction redacted(std::vector<std::string_view> texts, const PolicyOptions& options) {
  const Verdict verdict = make_text_check(options)->check(texts);
  return {texts, verdict.hidden};
}
PolicyOptions redact_all() {
  PolicyOptions options;
  options.kinds.fill(Rule::Redact);
  return options;
}

TEST(Redaction, TheSameDataHaveTheSamePlaceholderInEveryText) {
  const Redaction redaction = redacted(
      {"From a@b.example to c@d.example", "a@b.example called +1 404 555 0199"}, redact_all());
  EXPECT_THAT(redaction.texts(),
              ElementsAre("From [EMAIL_1] to [EMAIL_2]", "[EMAIL_1] called [PHONE_1]"));
}

TEST(Redaction, WhatIsHiddenIsNeverFoundAgain) {
  const std::vector<std::string_view> texts = {
      "a@b.example 4111 1111 1111 1111 DE89370400440532013000 10.1.2.3 password: hunter2, "
      "+1 404 555 0199"};
  const Redaction redaction = redacted(texts, redact_all());
  const std::string_view again[] = {redaction.texts()[0]};
  EXPECT_EQ(make_text_check(redact_all())->check(again).rule, Rule::Send) << again[0];
}

TEST(Redaction, WhatIsHiddenOnceIsHiddenWhereItStandsWithoutTheWordsThatToldIt) {
  const Redaction redaction =
      redacted({"My password is hunter22! ok?", "I'll use hunter22! then",
                "why is hunter22! refused? And postgres://u:S3cr3t9@h?", "S3cr3t9"},
               redact_all());
  for (const std::string& text : redaction.texts()) {
    EXPECT_EQ(text.find("hunter22"), std::string::npos) << text;
    EXPECT_EQ(text.find("S3cr3t9"), std::string::npos) << text;
  }
  EXPECT_EQ(redaction.restore(redaction.texts()[1]), "I'll use hunter22! then");
}

TEST(Redaction, VeryShortDataAreHiddenWhereTheyWereFoundAlone) {
  const std::vector<std::string_view> texts = {"pin abc", "an abc book, 1234 or 1234"};
  const std::vector<HiddenPart> parts = {{0, 4, 7, "PIN"}, {1, 13, 17, "CODE"}};
  EXPECT_THAT(Redaction(texts, parts).texts(),
              ElementsAre("pin [PIN_1]", "an abc book, [CODE_1] or [CODE_1]"));
}

TEST(Redaction, PutsTheDataBackIntoTheAnswer) {
  const Redaction redaction = redacted({"a@b.example or c@d.example?"}, redact_all());
  EXPECT_EQ(redaction.restore("[EMAIL_2], not [EMAIL_1]. [EMAIL_3] [x [EMAIL_1"),
            "c@d.example, not a@b.example. [EMAIL_3] [x [EMAIL_1");
  EXPECT_EQ(redaction.restore("[[EMAIL_1]]"), "[a@b.example]");
}

TEST(Redaction, PutsTheDataBackIntoAStreamWhateverItsPieces) {
  const std::string answer = "Dear [EMAIL_1], see [1] and [EMAIL_2] or [EMAIL";
  const std::string want = "Dear a@b.example, see [1] and c@d.example or [EMAIL";
  for (std::size_t size = 1; size < answer.size(); ++size) {
    Redaction redaction = redacted({"a@b.example c@d.example"}, redact_all());
    std::string said;
    for (std::size_t at = 0; at < answer.size(); at += size) {
      said += redaction.restore_piece(std::string_view(answer).substr(at, size), false);
    }
    said += redaction.restore_piece({}, true);
    EXPECT_EQ(said, want) << "pieces of " << size;
  }
}

TEST(Redaction, APlaceholderThatTheTextHasAlreadyIsNotUsed) {
  const Redaction redaction = redacted({"[EMAIL_1] stands for a@b.example"}, redact_all());
  EXPECT_THAT(redaction.texts(), ElementsAre("[EMAIL_1] stands for [EMAIL_2]"));
  EXPECT_EQ(redaction.restore("[EMAIL_1] [EMAIL_2]"), "[EMAIL_1] a@b.example");
}

TEST(Redaction, PartsThatOverlapAreHiddenAsOne) {
  const std::vector<std::string_view> texts = {"0123456789"};
  const std::vector<HiddenPart> parts = {{0, 4, 8, "B"}, {0, 2, 5, "A"}, {0, 5, 6, "C"}};
  EXPECT_THAT(Redaction(texts, parts).texts(), ElementsAre("01[A_1]89"));
}

TEST(Redaction, PlacesThatOverlapAreHiddenAsOne) {
  const std::vector<std::string_view> texts = {"abab", "xabababy"};
  const std::vector<HiddenPart> parts = {{0, 0, 4, "A"}};
  EXPECT_THAT(Redaction(texts, parts).texts(), ElementsAre("[A_1]", "x[A_2]y"));
}

TEST(Redaction, RefusesMoreThanCanBeLookedForInTime) {
  std::string text;
  std::vector<HiddenPart> parts;
  for (int i = 0; i < 30000; ++i) {
    parts.push_back({0, text.size(), text.size() + 6, "N"});
    text += std::to_string(100000 + i) + " ";
  }
  const std::vector<std::string_view> texts = {text};
  EXPECT_THROW(Redaction(texts, parts), Error);
  EXPECT_NO_THROW(Redaction(texts, std::span(parts).first(500)));
}

TEST(Redaction, RefusesPartsThatLieOutsideTheirText) {
  const std::vector<std::string_view> texts = {"0123"};
  for (const HiddenPart& part :
       {HiddenPart{1, 0, 1, "A"}, HiddenPart{0, 2, 5, "A"}, HiddenPart{0, 2, 2, "A"},
        HiddenPart{0, 3, 2, "A"}, HiddenPart{0, 0, 1, ""}}) {
    EXPECT_THROW(Redaction(texts, std::span(&part, 1)), Error);
  }
}

}  // namespace
}  // namespace crayon
